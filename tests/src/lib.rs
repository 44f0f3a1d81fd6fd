//! Harness, system tests and interop.
