//! Where things are: the repository, the target directory, the built image, the host tool.

use crate::error::{Error, Result};
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

/// What is fetched or built once for all checkouts: `RAVELIN_CACHE`, else `$XDG_CACHE_HOME/ravelin`, else
/// `~/.cache/ravelin`.
///
/// # Errors
/// When none of the three variables is set.
pub fn cache() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("RAVELIN_CACHE") {
        return Ok(root().join(dir));
    }
    let base = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(dir), _) => PathBuf::from(dir),
        (None, Some(home)) => PathBuf::from(home).join(".cache"),
        (None, None) => {
            return Err(Error::Observed {
                expected: "RAVELIN_CACHE, XDG_CACHE_HOME or HOME to be set".into(),
                found: "none of them".into(),
            });
        }
    };
    Ok(base.join("ravelin"))
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
