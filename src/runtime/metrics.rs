//! Names of all metrics, in one place (contract, "Prometheus").
