//! Flow table types: the ones that this function may have.

/// A flow table type that the device knows. The types of the embedded switch (ACLs, FDB), port selection and RDMA
/// transport belong to functions that manage a switch, and are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TableType {
    /// What arrives for this function.
    NicRx,
    /// What this function sends.
    NicTx,
    /// Copies of what arrives.
    SnifferRx,
    /// Copies of what is sent.
    SnifferTx,
    /// RoCE that arrives.
    RdmaRx,
    /// RoCE that is sent.
    RdmaTx,
}

impl TableType {
    /// All of them.
    pub(super) const ALL: [TableType; 6] = [
        TableType::NicRx,
        TableType::NicTx,
        TableType::SnifferRx,
        TableType::SnifferTx,
        TableType::RdmaRx,
        TableType::RdmaTx,
    ];

    /// From `table_type`.
    pub(super) fn from_code(code: u8) -> Option<TableType> {
        TableType::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// `table_type`.
    pub(super) const fn code(self) -> u8 {
        match self {
            TableType::NicRx => 0,
            TableType::NicTx => 1,
            TableType::SnifferRx => 5,
            TableType::SnifferTx => 6,
            TableType::RdmaRx => 7,
            TableType::RdmaTx => 8,
        }
    }

    /// Whether packets come from the wire.
    pub(super) const fn receives(self) -> bool {
        matches!(self, TableType::NicRx | TableType::SnifferRx | TableType::RdmaRx)
    }

    /// Whether an entry may end with ALLOW: on the way out, where what misses leaves too.
    pub(super) const fn allows(self) -> bool {
        matches!(self, TableType::NicTx | TableType::RdmaTx)
    }

    /// Whether an entry may forward to a TIR.
    pub(super) const fn has_tirs(self) -> bool {
        matches!(self, TableType::NicRx | TableType::SnifferRx | TableType::SnifferTx)
    }
}
