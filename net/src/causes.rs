//! The one way in which every layer names why it dropped a packet, and counts it. What the causes are is each
//! layer's own business (`net::cause`, `ipsec::cause`, `gateway::cause`).

/// Declares an enum of causes, each with its meaning and its stable name in lower case and underscores, and the
/// counters that go with it.
#[macro_export]
macro_rules! causes {
    (
        $(#[doc = $cause_doc:literal])+ $Cause:ident,
        $(#[doc = $counters_doc:literal])+ $Counters:ident:
        $($(#[doc = $doc:literal])+ $cause:ident = $name:literal,)+
    ) => {
        $(#[doc = $cause_doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $Cause { $($(#[doc = $doc])+ $cause,)+ }

        impl $Cause {
            /// Every cause, in the order of its counter.
            pub const ALL: &'static [Self] = &[$(Self::$cause,)+];

            /// The name for display and metrics; does not change between releases.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$cause => $name,)+ }
            }
        }

        $(#[doc = $counters_doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $Counters([u64; $Cause::ALL.len()]);

        impl Default for $Counters {
            fn default() -> Self {
                Self([0; $Cause::ALL.len()])
            }
        }

        impl $Counters {
            /// How often `cause` occurred.
            pub fn of(&self, cause: $Cause) -> u64 {
                self.0[cause as usize]
            }

            /// Counts `cause` once and hands it back, for use in a return.
            pub fn count(&mut self, cause: $Cause) -> $Cause {
                self.0[cause as usize] += 1;
                cause
            }

            /// Counts `cause` as often as `times` says.
            pub fn add(&mut self, cause: $Cause, times: u64) {
                let count = &mut self.0[cause as usize];
                *count = count.saturating_add(times);
            }

            /// The causes that have occurred, each with its count.
            pub fn iter(&self) -> impl Iterator<Item = ($Cause, u64)> + '_ {
                $Cause::ALL.iter().map(|&cause| (cause, self.of(cause))).filter(|&(_, n)| n != 0)
            }

            /// All causes together.
            pub fn total(&self) -> u64 {
                self.0.iter().sum()
            }
        }
    };
}
