//! Profiles compiled in; a file `config/<name>.toml` of the working directory comes before them.

/// Name and text of each.
const COMPILED: [(&str, &str); 4] = [
    (DEFAULT, include_str!("../../config/embedded.toml")),
    ("cluster", include_str!("../../config/cluster.toml")),
    ("seed-000", include_str!("../../config/seed-000.toml")),
    ("seed-001", include_str!("../../config/seed-001.toml")),
];

/// The profile where none is asked for.
pub(super) const DEFAULT: &str = "embedded";

/// The text of a compiled profile.
#[must_use]
pub(super) fn text(name: &str) -> Option<&'static str> {
    COMPILED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of the compiled profiles.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMPILED.iter().map(|(name, _)| *name)
}
