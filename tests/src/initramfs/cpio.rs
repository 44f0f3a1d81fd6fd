//! The `newc` archive that Linux unpacks as its initial file system (Documentation/driver-api/early-userspace/
//! buffer-format). Directories, regular files, symbolic links and character devices; every owner is root and
//! every time is zero, so the same tree gives the same bytes. Hard links and checksummed archives are left out.

use std::collections::BTreeMap;

/// The archive's magic for the format without checksums.
const MAGIC: &str = "070701";
/// Name that ends the archive.
const TRAILER: &str = "TRAILER!!!";
/// Names and contents are padded to this.
const ALIGN: usize = 4;

/// File type bits of `st_mode`.
mod kind {
    pub(super) const DIRECTORY: u32 = 0o040_000;
    pub(super) const CHARACTER: u32 = 0o020_000;
    pub(super) const REGULAR: u32 = 0o100_000;
    pub(super) const SYMLINK: u32 = 0o120_000;
}

/// One thing in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Directory,
    File { mode: u32, content: Vec<u8> },
    Symlink { target: String },
    Character { major: u32, minor: u32 },
}

/// A file tree in memory, by path without a leading slash. Parents are made as they are needed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// An empty directory.
    pub fn directory(&mut self, path: &str) {
        self.insert(path, Node::Directory);
    }

    /// A regular file with the permission bits `mode`. The last one written under a path stays.
    pub fn file(&mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) {
        self.insert(path, Node::File { mode, content: content.into() });
    }

    /// A symbolic link that reads `target`.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.insert(path, Node::Symlink { target: target.to_owned() });
    }

    /// A character device.
    pub fn character(&mut self, path: &str, major: u32, minor: u32) {
        self.insert(path, Node::Character { major, minor });
    }

    fn insert(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        for (slash, _) in path.match_indices('/') {
            self.nodes.entry(path[..slash].to_owned()).or_insert(Node::Directory);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// The archive. A parent sorts before its children, as the unpacker needs it.
    pub fn emit(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        for (number, (path, node)) in (1u32..).zip(&self.nodes) {
            let (mode, device, content): (u32, (u32, u32), &[u8]) = match node {
                Node::Directory => (kind::DIRECTORY | 0o755, (0, 0), &[]),
                Node::File { mode, content } => (kind::REGULAR | mode, (0, 0), content),
                Node::Symlink { target } => (kind::SYMLINK | 0o777, (0, 0), target.as_bytes()),
                Node::Character { major, minor } => (kind::CHARACTER | 0o600, (*major, *minor), &[]),
            };
            emit_entry(&mut archive, number, path, mode, device, content);
        }
        emit_entry(&mut archive, 0, TRAILER, 0, (0, 0), &[]);
        archive
    }
}

fn emit_entry(archive: &mut Vec<u8>, inode: u32, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
    let name_size = path.len() + 1;
    let fields = [
        inode,
        mode,
        0, // uid
        0, // gid
        1, // links
        0, // mtime
        u32::try_from(content.len()).expect("a file of an initial file system is below 4 GiB"),
        0, // major, minor of the file system it came from
        0,
        device.0,
        device.1,
        u32::try_from(name_size).expect("a path is short"),
        0, // checksum: not in this format
    ];
    archive.extend_from_slice(MAGIC.as_bytes());
    for field in fields {
        archive.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    archive.extend_from_slice(path.as_bytes());
    archive.push(0);
    pad(archive);
    archive.extend_from_slice(content);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(ALIGN), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn parents_come_first_and_only_once() {
        let mut tree = Tree::default();
        tree.file("usr/lib/a.so", 0o644, "a");
        tree.directory("/usr/lib");
        tree.symlink("lib", "usr/lib");
        let names: Vec<&String> = tree.nodes.keys().collect();
        assert_eq!(names, ["lib", "usr", "usr/lib", "usr/lib/a.so"]);
    }

    #[test]
    fn an_independent_unpacker_reads_it() {
        let mut tree = Tree::default();
        tree.file("init", 0o755, "#!/bin/sh\n");
        tree.character("dev/console", 5, 1);
        tree.symlink("bin/sh", "busybox");
        let mut cpio = Command::new("cpio")
            .args(["--list", "--verbose", "--numeric-uid-gid", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cpio is installed");
        cpio.stdin.take().expect("piped").write_all(&tree.emit()).expect("cpio reads to the end");
        let output = cpio.wait_with_output().expect("cpio ends");
        assert!(output.status.success());
        let listing = String::from_utf8(output.stdout).expect("ASCII names");
        let lines: Vec<Vec<&str>> = listing.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 5, "{listing}");
        assert_eq!(lines[0].last(), Some(&"bin"));
        assert!(listing.contains("bin/sh -> busybox"), "{listing}");
        assert!(lines[3].starts_with(&["crw-------"]) && lines[3].contains(&"5,"), "{listing}");
        assert!(lines[4].starts_with(&["-rwxr-xr-x"]) && lines[4].contains(&"10"), "{listing}");
    }
}
