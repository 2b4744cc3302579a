//! The memory backends: for tests, with faults on demand.
