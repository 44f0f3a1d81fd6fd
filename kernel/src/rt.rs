//! memcpy, memmove, memset, memcmp and bcmp, which `compiler_builtins` does not have on this target.
//! Assembly, so that no compiler turns their loops into calls of themselves.
//!
//! 16-byte vector moves throughout: `rep movsb` is one iteration per byte under TCG, and on silicon pays
//! only for blocks that packets do not have. Copies load both ends before they store, so short ones need no
//! direction and no loop, and memmove costs memcpy one comparison; both are the same function.

/// Emits the five functions, each name behind `$prefix` (empty in an image, something else in a test).
#[doc(hidden)]
#[macro_export]
macro_rules! memory_functions {
    ($prefix:literal) => {
        core::arch::global_asm!(concat!(
            "
    .text
    .global ",
            $prefix,
            "memcpy
    .global ",
            $prefix,
            "memmove
    .balign 16
",
            $prefix,
            "memcpy:
",
            $prefix,
            "memmove:
    mov rax, rdi
    cmp rdx, 16
    jb 20f
    cmp rdx, 32
    ja 2f
    movups xmm0, [rsi]
    movups xmm1, [rsi + rdx - 16]
    movups [rdi], xmm0
    movups [rdi + rdx - 16], xmm1
    ret
2:  mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jb 10f                              # destination inside the source: from the end
    movups xmm4, [rsi + rdx - 16]
    lea r8, [rdi + rdx - 16]            # the last 16 bytes go here
    sub rdx, 32
3:  movups xmm0, [rsi]
    movups xmm1, [rsi + 16]
    movups [rdi], xmm0
    movups [rdi + 16], xmm1
    add rsi, 32
    add rdi, 32
    sub rdx, 32
    ja 3b
    add rdx, 32                         # 0 to 32 left
    cmp rdx, 16
    jbe 4f
    movups xmm0, [rsi]
    movups [rdi], xmm0
4:  movups [r8], xmm4
    ret
10: movups xmm4, [rsi]                  # the first 16 bytes, for the end
    movups xmm5, [rsi + 16]
11: movups xmm0, [rsi + rdx - 16]
    movups xmm1, [rsi + rdx - 32]
    movups [rdi + rdx - 16], xmm0
    movups [rdi + rdx - 32], xmm1
    sub rdx, 32
    cmp rdx, 32
    ja 11b
    movups [rdi + 16], xmm5
    movups [rdi], xmm4
    ret
20: cmp edx, 8
    jb 21f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
21: cmp edx, 4
    jb 22f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
22: test edx, edx
    jz 23f
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + rdx - 1]
    shr edx
    movzx r9d, byte ptr [rsi + rdx]
    mov [rdi + rdx], r9b
    adc edx, edx                        # the length again
    mov [rdi], cl
    mov [rdi + rdx - 1], r8b
23: ret

    .global ",
            $prefix,
            "memset
    .balign 16
",
            $prefix,
            "memset:
    mov rax, rdi
    movzx esi, sil
    mov rcx, 0x0101010101010101
    imul rsi, rcx
    cmp rdx, 16
    jb 32f
    movq xmm0, rsi
    punpcklqdq xmm0, xmm0
    lea r8, [rdi + rdx - 16]
31: movups [rdi], xmm0
    add rdi, 16
    cmp rdi, r8
    jb 31b
    movups [r8], xmm0
    ret
32: cmp edx, 8
    jb 33f
    mov [rdi], rsi
    mov [rdi + rdx - 8], rsi
    ret
33: cmp edx, 4
    jb 34f
    mov [rdi], esi
    mov [rdi + rdx - 4], esi
    ret
34: test edx, edx
    jz 35f
    mov [rdi], sil
    mov [rdi + rdx - 1], sil
    shr edx
    mov [rdi + rdx], sil
35: ret

    .global ",
            $prefix,
            "memcmp
    .global ",
            $prefix,
            "bcmp
    .balign 16
",
            $prefix,
            "memcmp:
",
            $prefix,
            "bcmp:
    cmp rdx, 8
    jb 42f
    lea r8, [rdx - 8]                   # offset of the last 8 bytes
    xor ecx, ecx
41: mov rax, [rdi + rcx]
    mov r9, [rsi + rcx]
    cmp rax, r9
    jne 44f
    cmp rcx, r8
    jae 43f
    add rcx, 8
    cmp rcx, r8
    cmova rcx, r8
    jmp 41b
42: xor ecx, ecx
45: cmp rcx, rdx
    jae 43f
    movzx eax, byte ptr [rdi + rcx]
    movzx r9d, byte ptr [rsi + rcx]
    inc rcx
    sub eax, r9d
    jz 45b
    ret
43: xor eax, eax
    ret
44: bswap rax                           # the first different byte decides
    bswap r9
    cmp rax, r9
    sbb eax, eax
    or eax, 1
    ret
"
        ));
    };
}

#[cfg(test)]
#[expect(unsafe_code, reason = "the functions under test are C functions")]
mod tests {
    crate::memory_functions!("ravelin_test_");

    unsafe extern "C" {
        fn ravelin_test_memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8;
        fn ravelin_test_memset(to: *mut u8, byte: i32, n: usize) -> *mut u8;
        fn ravelin_test_memcmp(a: *const u8, b: *const u8, n: usize) -> i32;
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn moves_any_length_at_any_distance() {
        for len in (0..200).chain([511, 512, 513, 1500]) {
            for distance in [-64_isize, -33, -17, -16, -15, -1, 0, 1, 7, 16, 31, 32, 33, 64, 2000] {
                let base = pattern(8192);
                let (from, to) = (1000_usize, 1000_usize.wrapping_add_signed(distance));
                let mut expected = base.clone();
                expected.copy_within(from..from + len, to);
                let mut got = base;
                let start = got.as_mut_ptr();
                // SAFETY: both ranges lie inside `got`.
                let result = unsafe { ravelin_test_memcpy(start.add(to), start.add(from), len) };
                assert_eq!(result as usize, start as usize + to);
                assert_eq!(got, expected, "len {len} distance {distance}");
            }
        }
    }

    #[test]
    fn sets_exactly_the_bytes_asked_for() {
        for len in 0..200 {
            let mut got = vec![1_u8; 256];
            // SAFETY: the range lies inside `got`.
            unsafe { ravelin_test_memset(got.as_mut_ptr().add(20), 0x1a5, len) };
            assert!(
                got.iter().enumerate().all(|(i, &b)| b == if (20..20 + len).contains(&i) { 0xa5 } else { 1 })
            );
        }
    }

    #[test]
    fn compares_like_slices() {
        for len in 0..100 {
            let a = pattern(len);
            for at in 0..len {
                for delta in [1_u8, 0x80, 0xff] {
                    let mut b = a.clone();
                    b[at] = b[at].wrapping_add(delta);
                    // SAFETY: both have `len` bytes.
                    let got = unsafe { ravelin_test_memcmp(a.as_ptr(), b.as_ptr(), len) };
                    assert_eq!(got.cmp(&0), a.cmp(&b), "len {len} at {at}");
                }
            }
            // SAFETY: both have `len` bytes.
            assert_eq!(unsafe { ravelin_test_memcmp(a.as_ptr(), a.as_ptr(), len) }, 0);
        }
    }
}
