//! Finding a capability by its dotted name in the layouts.

use super::Mistake;
use mlx5_pci::prm::{FieldInfo, Shape};

/// Where a capability stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    offset: usize,
    hi: u32,
    lo: u32,
}

impl Place {
    /// Writes `value`.
    ///
    /// # Errors
    /// When it does not fit.
    pub(super) fn store(self, bytes: &mut [u8], value: u64) -> Result<(), (Mistake, String)> {
        let width = self.hi - self.lo + 1;
        if width < 64 && value >> width != 0 {
            let most = (1u64 << width) - 1;
            return Err((Mistake::Value(value.to_string()), format!("0 to {most}")));
        }
        mlx5_pci::prm::layout::set(bytes, self.offset, self.hi, self.lo, value);
        Ok(())
    }
}

/// The place of `path` below `fields`. An embedded structure may be left out or called by the end of its name:
/// `nic_receive.ft_support` is `flow_table_properties_nic_receive.ft_support`.
pub(super) fn find(fields: &'static [FieldInfo], path: &str) -> Result<Place, (Mistake, String)> {
    search(fields, path, 0).ok_or_else(|| {
        let head = path.split('.').next().unwrap_or_default();
        let inner = fields.iter().find(|field| called(field, head) && path.contains('.'));
        let names: Vec<&str> = match inner.map(|field| field.shape) {
            Some(Shape::Structure(inner)) => inner.iter().map(|field| field.name).collect(),
            _ => fields.iter().map(|field| field.name).collect(),
        };
        (Mistake::Unknown, names.join(", "))
    })
}

fn called(field: &FieldInfo, name: &str) -> bool {
    field.name == name || field.name.strip_suffix(name).is_some_and(|head| head.ends_with("properties_"))
}

fn search(fields: &'static [FieldInfo], path: &str, base: usize) -> Option<Place> {
    if let Some((head, rest)) = path.split_once('.') {
        return fields.iter().find(|field| called(field, head)).and_then(|field| match field.shape {
            Shape::Structure(inner) => search(inner, rest, base + field.offset),
            _ => None,
        });
    }
    let own = fields.iter().find_map(|field| match field.shape {
        Shape::Bits { hi, lo } if field.name == path => Some(Place { offset: base + field.offset, hi, lo }),
        _ => None,
    });
    own.or_else(|| {
        fields.iter().find_map(|field| match field.shape {
            Shape::Structure(inner) => search(inner, path, base + field.offset),
            _ => None,
        })
    })
}
