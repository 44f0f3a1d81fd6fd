//! Links the bin freestanding: no start files, no libc, at a fixed address, by link.ld. A hidden use of libc
//! is a link error.

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,-z,norelro",
        "-Wl,--gc-sections",
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{dir}/link.ld");
    // A configuration to build in, for machines that can bring none.
    println!("cargo:rustc-check-cfg=cfg(baked_config)");
    println!("cargo:rerun-if-env-changed=RAVELIN_CONFIG");
    if let Ok(file) = std::env::var("RAVELIN_CONFIG") {
        let file =
            std::fs::canonicalize(&file).unwrap_or_else(|error| panic!("RAVELIN_CONFIG={file}: {error}"));
        println!("cargo:rerun-if-changed={}", file.display());
        println!("cargo:rustc-env=RAVELIN_BAKED_CONFIG={}", file.display());
        println!("cargo:rustc-cfg=baked_config");
    }
    println!("cargo:rerun-if-changed=link.ld");
    println!("cargo:rerun-if-changed=build.rs");
}
