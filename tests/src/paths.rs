//! Where things are: the repository, the target directory, the built image, the host tool.

use std::env;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, else `target/` in the repository.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The image under test: `RAVELIN_IMAGE`, else where `cargo xtask image` puts it.
pub fn image() -> PathBuf {
    match env::var_os("RAVELIN_IMAGE") {
        Some(path) => root().join(path),
        None => target().join("image/ravelin.elf"),
    }
}

/// The host tool, for its hidden subcommands that run inside namespaces: `RAVELIN_XTASK`, else the running program.
pub fn xtask() -> PathBuf {
    match env::var_os("RAVELIN_XTASK") {
        Some(path) => PathBuf::from(path),
        None => env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask")),
    }
}
