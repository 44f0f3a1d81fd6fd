//! The cache of what is fetched once: one directory per component, made beside its place and moved there when it is
//! complete, so that an interrupted fetch is never taken for a whole one. A component is remade when its recipe
//! changes.

use crate::error::{Error, Result};
use crate::paths;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Written last, with the recipe as its text.
const STAMP: &str = "recipe";

/// One directory of the cache.
pub(super) struct Component {
    /// Its directory's name.
    pub(super) name: String,
    /// Everything that its content depends on, as text.
    pub(super) recipe: String,
}

impl Component {
    /// Where it is.
    pub(super) fn dir(&self) -> Result<PathBuf> {
        Ok(home()?.join(&self.name))
    }

    /// Whether it is there, whole, and made by the present recipe.
    pub(super) fn is_ready(&self) -> Result<bool> {
        Ok(fs::read_to_string(self.dir()?.join(STAMP)).is_ok_and(|made| made == self.recipe))
    }

    /// Has `build` fill a fresh directory unless the component is ready.
    pub(super) fn make(&self, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        if self.is_ready()? {
            return Ok(());
        }
        self.remake(build)
    }

    /// Has `build` fill a fresh directory, and replaces the old one by it.
    pub(super) fn remake(&self, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        println!("fetching {} into {}", self.name, home()?.display());
        let (dir, fresh) = (self.dir()?, home()?.join(format!("{}.part", self.name)));
        remove(&fresh)?;
        fs::create_dir_all(&fresh).map_err(Error::io(format!("creating {}", fresh.display())))?;
        build(&fresh)?;
        let stamp = fresh.join(STAMP);
        fs::write(&stamp, &self.recipe).map_err(Error::io(format!("writing {}", stamp.display())))?;
        remove(&dir)?;
        fs::rename(&fresh, &dir).map_err(Error::io(format!("moving {} into place", fresh.display())))
    }
}

/// The cache's directory.
fn home() -> Result<PathBuf> {
    Ok(paths::cache()?.join("oracle"))
}

/// Removes a directory with all that is in it; none is fine.
pub(super) fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", dir.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Keeps a second fetch out for as long as the file lives.
pub(super) fn lock() -> Result<File> {
    let home = home()?;
    fs::create_dir_all(&home).map_err(Error::io(format!("creating {}", home.display())))?;
    let path = home.join("lock");
    let file = File::create(&path).map_err(Error::io(format!("creating {}", path.display())))?;
    flock(&file, FlockOperation::LockExclusive)
        .map_err(|errno| Error::io(format!("locking {}", path.display()))(errno.into()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(recipe: &str) -> Component {
        Component { name: format!("test-{}", std::process::id()), recipe: recipe.into() }
    }

    #[test]
    fn only_a_whole_component_of_the_present_recipe_is_ready() {
        let (one, two) = (component("one"), component("two"));
        remove(&one.dir().unwrap()).unwrap();
        let broken = one.make(|dir| {
            fs::write(dir.join("half"), "x").unwrap();
            Err(Error::Observed { expected: "the rest".into(), found: "nothing".into() })
        });
        assert!(broken.is_err() && !one.is_ready().unwrap());
        one.make(|dir| {
            assert!(!dir.join("half").exists(), "what an interrupted fetch left is gone");
            Ok(())
        })
        .unwrap();
        assert!(one.is_ready().unwrap() && !two.is_ready().unwrap());
        one.make(|_| panic!("made twice")).unwrap();
        two.make(|_| Ok(())).unwrap();
        assert!(two.is_ready().unwrap() && !one.is_ready().unwrap());
        remove(&one.dir().unwrap()).unwrap();
    }
}
