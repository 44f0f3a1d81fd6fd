//! Kernel modules in the order in which they load: each after everything it needs, as `depmod` wrote it into
//! `modules.dep` (`PATH: DEPENDENCY…`, dependencies listed nearest first).

use std::collections::BTreeMap;

/// `modules.dep`, by module name.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    by_name: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    path: String,
    needs: Vec<String>,
}

/// What a module is called, whichever of `-` and `_` its file uses.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

impl Dependencies {
    /// Reads `modules.dep`; a line that is none is passed over.
    pub(crate) fn parse(text: &str) -> Self {
        let by_name = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(path, needs)| {
                let needs = needs.split_whitespace().map(name_of).collect();
                (name_of(path), Entry { path: path.to_owned(), needs })
            })
            .collect();
        Self { by_name }
    }

    /// Paths of `wanted` and of all they need, in load order. Names that are no module (built in) are left out.
    pub(crate) fn load_order(&self, wanted: &[&str]) -> Vec<&str> {
        let mut order = Vec::new();
        for name in wanted {
            self.append(name, &mut order);
        }
        order
    }

    fn append<'a>(&'a self, name: &str, order: &mut Vec<&'a str>) {
        let Some(entry) = self.by_name.get(name) else { return };
        if order.contains(&entry.path.as_str()) {
            return;
        }
        for need in entry.needs.iter().rev() {
            self.append(need, order);
        }
        order.push(&entry.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_load_first_and_once() {
        let dependencies = Dependencies::parse(
            "kernel/net/xfrm/xfrm_algo.ko:\n\
             kernel/net/ipv4/esp4.ko: kernel/net/xfrm/xfrm_algo.ko\n\
             kernel/net/ipv4/esp4_offload.ko: kernel/net/ipv4/esp4.ko kernel/net/xfrm/xfrm_algo.ko\n\
             kernel/crypto/ghash-generic.ko:\n",
        );
        assert_eq!(
            dependencies.load_order(&["esp4_offload", "ghash_generic", "esp4", "built_in"]),
            [
                "kernel/net/xfrm/xfrm_algo.ko",
                "kernel/net/ipv4/esp4.ko",
                "kernel/net/ipv4/esp4_offload.ko",
                "kernel/crypto/ghash-generic.ko",
            ]
        );
    }
}
