//! The first instructions: PVH entry in 32-bit mode, long mode, vector state, then Rust. From the Xen
//! "x86/HVM direct boot ABI" (note 18, `XEN_ELFNOTE_PHYS32_ENTRY`) and the Intel SDM, volume 3, 9.8.5.
//!
//! It is a macro because it names the Rust entry of the bin crate and must exist only in a bootable image.
//!
//! 1. Keep the start-info pointer (EBX) and the time stamp of the first instruction.
//! 2. Map the first GiB to itself with 2 MiB pages, writable and executable: just enough to reach Rust,
//!    which replaces it by the W^X map of `mem::paging` before anything else.
//! 3. PAE, long mode, no-execute, paging, write protection in ring 0.
//! 4. SSE, and every AVX and AVX-512 state component that CPUID leaf 13 offers, because prebuilt `core`
//!    uses SSE and the AEADs look at CPUID, not at us.
//! 5. Call `start(start_info, first_tsc)` on the main stack.

/// Emits the PVH note, the entry point and the boot page tables. Expects `start` beside it.
#[doc(hidden)]
#[macro_export]
macro_rules! boot_assembly {
    () => {
        core::arch::global_asm!(
            r#"
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long _start32

    .section .boot, "ax", @progbits
    .code32
    .global _start32
_start32:
    cli
    cld
    rdtsc
    mov esi, eax                        # first_tsc, low half
    mov ebp, edx                        # first_tsc, high half
    mov edi, ebx                        # start_info

    # The loader has zeroed .bss, and the tables with it.
    mov eax, offset boot_pdpt
    or eax, 3                           # present, writable
    mov dword ptr [boot_pml4], eax
    mov eax, offset boot_pd
    or eax, 3
    mov dword ptr [boot_pdpt], eax
    mov eax, 0x83                       # present, writable, 2 MiB
    xor ecx, ecx
2:  mov dword ptr [boot_pd + ecx*8], eax
    add eax, 0x200000
    inc ecx
    cmp ecx, 512
    jne 2b

    mov eax, cr4
    or eax, 0x620                       # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov eax, 0x80000001
    cpuid
    mov ebx, edx
    mov ecx, 0xc0000080                 # EFER
    rdmsr
    or eax, 0x100                       # LME
    bt ebx, 20
    jnc 3f
    or eax, 0x800                       # NXE
3:  wrmsr
    mov eax, cr0
    and eax, 0x9ffffff3                 # no EM, no TS, caches on
    or eax, 0x80010023                  # PG, WP, NE, MP, PE
    mov cr0, eax
    lgdt [boot_gdtr]
    .byte 0xea                          # far jump into the 64-bit segment
    .long 4f
    .word 8

    .code64
4:  mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov esi, esi
    shl rbp, 32
    or rsi, rbp
    mov edi, edi

    fninit
    mov eax, 1
    cpuid
    bt ecx, 26                          # XSAVE
    jnc 6f
    mov rax, cr4
    or eax, 0x40000                     # OSXSAVE
    mov cr4, rax
    mov eax, 13
    xor ecx, ecx
    cpuid                               # EAX: state components that XCR0 accepts
    mov ecx, eax
    and ecx, 0xe6                       # opmask, ZMM_Hi256, Hi16_ZMM, AVX, SSE
    cmp ecx, 0xe6
    mov ecx, 0xe7
    je 5f                               # AVX-512 only with all of its parts
    mov ecx, 7
    bt eax, 2
    jc 5f
    mov ecx, 3
5:  mov eax, ecx
    xor edx, edx
    xor ecx, ecx
    xsetbv
6:  lea rsp, [rip + {stacks} + {stack_top}]
    xor ebp, ebp
    call {start}
    ud2

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff            # 64-bit code
    .quad 0x00cf92000000ffff            # data
boot_gdtr:
    .word boot_gdtr - boot_gdt - 1
    .long boot_gdt

    .section .bss.boot_tables, "aw", @nobits
    .balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd: .skip 4096
    .text
"#,
            start = sym start,
            stacks = sym $crate::trap::STACKS,
            stack_top = const $crate::trap::MAIN_STACK_TOP,
        );
    };
}
