//! Kernel modules in the order in which they load: each after everything it needs, as `depmod` wrote it into
//! `modules.dep` (`PATH: DEPENDENCY…`, dependencies listed nearest first), or as a module itself says it.

use std::collections::BTreeMap;

/// `modules.dep`, by module name.
#[derive(Debug, Default)]
pub struct Dependencies {
    by_name: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    path: String,
    needs: Vec<String>,
}

/// What a module is called, whichever of `-` and `_` its file uses.
pub fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

/// The modules that an object file needs, nearest first: `depends=` of its `.modinfo`, a list with commas.
pub fn needs(object: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = object.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let list = object.get(at + KEY.len()..).unwrap_or_default();
    let list = list.split(|&byte| byte == 0).next().unwrap_or_default();
    let names = list.split(|&byte| byte == b',').filter(|name| !name.is_empty());
    names.map(|name| name_of(&String::from_utf8_lossy(name))).collect()
}

impl Dependencies {
    /// Reads `modules.dep`; a line that is none is passed over.
    pub fn parse(text: &str) -> Self {
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
    pub fn load_order(&self, wanted: &[&str]) -> Vec<&str> {
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
    fn a_module_names_what_it_needs() {
        assert_eq!(
            needs(b"..\0name=mlx5_core\0depends=mlxfw,pci-hyperv-intf\0retpoline=Y\0"),
            ["mlxfw", "pci_hyperv_intf"]
        );
        assert!(needs(b"..\0depends=\0").is_empty() && needs(b"no module").is_empty());
    }

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
