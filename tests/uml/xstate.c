/* Lets User-Mode Linux 6.1 run on CPUs whose extended state is larger than the buffer it brings (those with AMX).
 *
 * UML writes its guest's registers with PTRACE_SETREGSET(NT_X86_XSTATE) from a buffer of fixed size. The host kernel
 * refuses a buffer shorter than the CPU's state. This preloaded ptrace() reads the full state first, lays UML's bytes
 * over its start, and writes the whole back. It is built on the test machine and is no part of the image.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    XSTATE_NOTE = 0x202,      /* NT_X86_XSTATE */
    HEADER_AT = 512,          /* XSTATE_BV, first field of the XSAVE header (Intel SDM vol. 1, 13.4.2) */
    WIDEST = 32768,
};
/* x87, SSE, AVX, MPX, AVX-512 and PKRU: the components that lie within UML's buffer. */
#define WITHIN UINT64_C(0x2ff)

static long ask(long what, long pid, void *addr, void *data)
{
    return syscall(SYS_ptrace, what, pid, addr, data);
}

static long set_xstate(long pid, struct iovec *given)
{
    static __thread unsigned char wide[WIDEST] __attribute__((aligned(64)));
    struct iovec whole = { wide, sizeof wide };
    uint64_t present;

    if (ask(PTRACE_GETREGSET, pid, (void *)XSTATE_NOTE, &whole) < 0)
        return -1;
    memcpy(wide, given->iov_base, given->iov_len < whole.iov_len ? given->iov_len : whole.iov_len);
    memcpy(&present, wide + HEADER_AT, sizeof present);
    present &= WITHIN;
    memcpy(wide + HEADER_AT, &present, sizeof present);
    return ask(PTRACE_SETREGSET, pid, (void *)XSTATE_NOTE, &whole);
}

long ptrace(enum __ptrace_request what, ...)
{
    va_list rest;
    va_start(rest, what);
    long pid = va_arg(rest, pid_t);
    void *addr = va_arg(rest, void *);
    void *data = va_arg(rest, void *);
    va_end(rest);

    if (what == PTRACE_PEEKTEXT || what == PTRACE_PEEKDATA || what == PTRACE_PEEKUSER) {
        long word; /* the system call stores the word, the library function returns it */
        if (ask(what, pid, addr, &word) < 0)
            return -1;
        errno = 0;
        return word;
    }
    if (what == PTRACE_SETREGSET && (long)addr == XSTATE_NOTE)
        return set_xstate(pid, data);
    return ask(what, pid, addr, data);
}
