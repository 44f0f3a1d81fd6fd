//! The kernel's promises, in ring 0: each test starts the image in QEMU with `selftest=NAME` (see
//! `kernel/src/selftest`) and holds it to its report and to its exit code.
//!
//! TCG only, because it is there everywhere and because it has what the promises are about: no-execute pages, guard
//! pages, interrupt stacks, MSI-X. Needs no root and no network.

use core::time::Duration;
use ravelin_tests::paths;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A run that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);

// QEMU's exit status, which is `2 * code + 1` of `kernel::Exit` (0 after a power-off).
const SUCCESS: i32 = 0;
const NO_ENTROPY: i32 = 7;
const OUT_OF_MEMORY: i32 = 9;
const PANIC: i32 = 11;
const TRAP: i32 = 13;

/// What one run printed and how it ended.
struct Run {
    console: String,
    status: i32,
}

/// The machine of a run; the defaults are those of the documented command line.
struct Machine<'a> {
    machine: &'a str,
    cpu: &'a str,
    memory: &'a str,
    arguments: &'a [&'a str],
    /// A reset ends QEMU, with the status of a power-off.
    reset_ends: bool,
}

impl Default for Machine<'_> {
    fn default() -> Self {
        Self { machine: "q35", cpu: "max", memory: "32M", arguments: &[], reset_ends: true }
    }
}

impl Machine<'_> {
    fn selftest(&self, name: &str) -> Run {
        let image = paths::image();
        assert!(image.is_file(), "no image at {}: run `cargo xtask image`", image.display());
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-M", self.machine, "-accel", "tcg", "-cpu", self.cpu, "-m", self.memory]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"]);
        if self.reset_ends {
            command.arg("-no-reboot");
        }
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        command.args(self.arguments).arg("-kernel").arg(image);
        command.args(["-append", &format!("selftest={name}")]);
        let mut qemu =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("qemu-system-x86_64 starts");
        let mut output = qemu.stdout.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // A line that is cut short is judged below.
            let _ = output.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let started = Instant::now();
        let status = loop {
            match qemu.try_wait().expect("QEMU is our child") {
                Some(status) => break status.code().unwrap_or(-1),
                None if started.elapsed() > PATIENCE => {
                    let _ = qemu.kill();
                    let _ = qemu.wait();
                    break -1;
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Run { console: reader.join().expect("the reader only reads"), status }
    }

    /// A check that must find everything right; returns its line.
    #[track_caller]
    fn passes(&self, name: &str) -> String {
        let run = self.selftest(name);
        let wanted = format!("selftest {name}: ok");
        assert!(run.console.contains(&wanted), "no line {wanted:?}, status {}:\n{}", run.status, run.console);
        assert_eq!(run.status, SUCCESS, "{}", run.console);
        println!("{}", run.console.trim());
        run.console
    }
}

/// A provocation that must end in a report with these words and this status.
#[track_caller]
fn dies(name: &str, status: i32, words: &[&str]) {
    let run = Machine::default().selftest(name);
    for word in words {
        assert!(run.console.contains(word), "{word:?} is not in the report:\n{}", run.console);
    }
    assert!(!run.console.contains("survived"), "{}", run.console);
    assert!(!run.console.contains("failed while reporting"), "{}", run.console);
    assert_eq!(run.status, status, "{}", run.console);
}

#[test]
fn no_page_is_writable_and_executable() {
    Machine::default().passes("pages");
}

#[test]
fn memory_above_four_gibibytes_is_mapped_by_the_same_rules() {
    let line = Machine { memory: "6G", ..Machine::default() }.passes("pages");
    assert!(line.contains("0 writable code, 0 moved, 8 guards"), "{line}");
}

#[test]
fn code_cannot_be_written() {
    dies("write-text", TRAP, &["FATAL page fault", "write forbidden by the page", "write_text+0x"]);
}

#[test]
fn constants_cannot_be_written() {
    dies("write-rodata", TRAP, &["FATAL page fault", "write forbidden by the page", "write_rodata+0x"]);
}

#[test]
fn data_cannot_be_executed() {
    dies("execute-data", TRAP, &["FATAL page fault", "execution forbidden by the page", "execute_data+0x"]);
}

#[test]
fn the_stack_cannot_be_executed() {
    dies("execute-stack", TRAP, &["FATAL page fault", "execution forbidden by the page", "execute_stack+0x"]);
}

#[test]
fn null_is_not_mapped() {
    dies("null", TRAP, &["FATAL page fault", "address 0x8: null pointer", "at  0x", "null+0x"]);
}

#[test]
fn the_stack_ends_at_its_guard() {
    dies("stack-overflow", TRAP, &["overflow of the main stack", "deeper+0x", "calls on the stack"]);
}

#[test]
fn a_trap_needs_no_stack_of_the_program() {
    dies("lost-stack", TRAP, &["FATAL page fault", "lost_stack+0x", "rsp is in no stack"]);
}

#[test]
fn exceptions_are_named_and_located() {
    dies(
        "divide",
        TRAP,
        &["FATAL divide error (vector 0", "divide+0x", "selftest::run+0x", "boot::start+0x"],
    );
    dies("invalid-opcode", TRAP, &["FATAL invalid opcode (vector 6", "invalid_opcode+0x", "cr2 ", "r15 "]);
}

#[test]
fn a_non_maskable_interrupt_is_reported() {
    dies("nmi", TRAP, &["FATAL non-maskable interrupt (vector 2", "selftest::run+0x"]);
}

#[test]
fn a_trap_inside_a_report_ends_the_run_all_the_same() {
    let run = Machine::default().selftest("trap-in-report");
    assert!(run.console.contains("failed while reporting: invalid opcode"), "{}", run.console);
    assert_eq!(run.status, TRAP);
}

#[test]
fn running_out_of_memory_has_a_report_and_a_code() {
    dies(
        "out-of-memory",
        OUT_OF_MEMORY,
        &["FATAL out of memory: 100000 bytes", "selftest::out_of_memory+0x"],
    );
}

#[test]
fn a_panic_has_a_report_and_a_code() {
    dies(
        "panic",
        PANIC,
        &["FATAL panic: asked for by selftest=panic", "kernel/src/selftest/mod.rs:", "panic+0x"],
    );
}

#[test]
fn sleeps_end_on_time() {
    Machine::default().passes("timer");
    // Another reference clock (8254), another controller to switch off.
    Machine { machine: "microvm", ..Machine::default() }.passes("timer");
}

#[test]
fn the_clock_is_true() {
    Machine::default().passes("clock");
}

#[test]
fn randomness_comes_from_the_cpu_or_not_at_all() {
    Machine::default().passes("entropy");
    let run = Machine { cpu: "max,-rdrand,-rdseed", ..Machine::default() }.selftest("entropy");
    assert!(run.console.contains("refused, no entropy: 0 of 256 bits"), "{}", run.console);
    assert_eq!(run.status, NO_ENTROPY);
}

#[test]
fn vector_state_is_on_where_the_cpu_has_it() {
    let line = Machine::default().passes("vectors");
    assert!(line.contains("AVX"), "TCG's largest CPU has AVX: {line}");
    let line = Machine { cpu: "Nehalem", ..Machine::default() }.passes("vectors");
    assert!(line.contains("SSE only"), "{line}");
}

#[test]
fn memory_comes_back() {
    for memory in ["16M", "32M", "3G"] {
        Machine { memory, ..Machine::default() }.passes("memory");
    }
}

#[test]
fn a_reset_starts_again_and_a_power_off_ends() {
    for machine in ["q35", "pc", "microvm"] {
        // Without -no-reboot QEMU ends only if the machine really switches itself off.
        let line = Machine { machine, reset_ends: false, ..Machine::default() }.passes("reboot");
        assert!(line.contains("this is the second boot"), "{line}");
    }
}

#[test]
fn modules_and_files_arrive_whole() {
    let path = std::env::temp_dir().join(format!("ravelin-kernel-{}", std::process::id()));
    let content: Vec<u8> = (0..70_001_u32).map(|i| (i * 31) as u8).collect();
    let sum = content.iter().fold(0_u32, |sum, &byte| sum + u32::from(byte));
    std::fs::write(&path, &content).expect("a temporary file");
    let name = path.display().to_string();
    let file = format!("name=opt/ravelin/config,file={name}");
    let line =
        Machine { arguments: &["-initrd", &name, "-fw_cfg", &file], ..Machine::default() }.passes("modules");
    let _ = std::fs::remove_file(&path);
    assert!(line.contains(&format!("modules (bytes, sum) [(70001, {sum})], file Some(70001)")), "{line}");
    assert!(line.contains("command line \"selftest=modules\""), "{line}");
}

#[test]
fn interrupts_end_a_sleep_and_none_is_lost() {
    let arguments = &["-device", "virtio-rng-pci"];
    Machine { arguments, ..Machine::default() }.passes("msix");
    // Configuration space by the legacy ports.
    Machine { arguments, machine: "pc", ..Machine::default() }.passes("msix");
}
