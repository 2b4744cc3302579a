//! What may be shown of a value that is no secret by itself, but may have one within it: addresses
//! and properties of librdkafka.

/// What is shown in place of a secret, whatever its length.
pub(super) const HIDDEN: &str = "***";

/// Parts of names under which somebody keeps a secret; `jaas` and `oauthbearer.config` have several
/// words in one value, secrets among them.
const SECRET_PARTS: [&str; 6] = ["pass", "secret", "token", "key", "jaas", "oauthbearer.config"];

/// Ends of names that say where something lies, which may be shown.
const PLACES: [&str; 4] = [".location", ".file", ".url", ".keytab"];

/// Whether a property of that name has a secret for its value.
#[must_use]
pub fn is_secret_property(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    SECRET_PARTS.iter().any(|part| name.contains(part))
        && !PLACES.iter().any(|end| name.ends_with(end))
}

/// A property of librdkafka, `name=value`, as it may be shown. What is no property is not shown: it
/// may be the rest of a password with a comma in it.
pub(super) fn property(text: &str) -> String {
    match text.split_once('=') {
        Some((name, _)) if is_secret_property(name) => format!("{}={HIDDEN}", name.trim()),
        Some((name, value)) if value.contains("://") => format!("{name}={}", address(value)),
        Some(_) => text.to_owned(),
        None => HIDDEN.to_owned(),
    }
}

/// What stands before the `@` of an address, without the scheme. The last `@` counts, for a password
/// may have others.
pub(super) fn user_info(address: &str) -> Option<&str> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.rsplit_once('@').map(|(user, _)| user)
}

/// Whether an address has a password in it. Without a scheme nobody writes a mere name.
pub(super) fn has_password(address: &str) -> bool {
    let in_user = user_info(address)
        .is_some_and(|user| user.contains(':') || user.contains('/') || !address.contains("://"));
    in_user || has_secret_query(address)
}

/// Redis takes a password in the query of `unix://` addresses.
fn has_secret_query(address: &str) -> bool {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|word| word.split_once('='))
        .any(|(name, _)| is_secret_property(name))
}

/// An address as it may be shown.
pub(super) fn address(text: &str) -> String {
    if !has_password(text) {
        return text.to_owned();
    }
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let mark = if scheme.is_empty() { "" } else { "://" };
    match user_info(text) {
        Some(_) if !has_secret_query(text) => {
            let rest = text.rsplit_once('@').map_or("", |(_, rest)| rest);
            format!("{scheme}{mark}{HIDDEN}@{rest}")
        }
        // Two secrets or an odd place of one: nothing of it is worth the risk.
        _ => format!("{scheme}{mark}{HIDDEN}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_shown_unless_its_name_speaks_of_a_secret() {
        for shown in [
            "socket.timeout.ms=10000",
            "ssl.key.location=/etc/evp/key.pem",
            "ssl.keystore.location=/etc/evp/store.p12",
            "sasl.username=a@b",
            "sasl.oauthbearer.token.endpoint.url=https://h/token",
        ] {
            assert_eq!(property(shown), shown);
        }
        for name in [
            "sasl.password",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.config",
            "SASL.JAAS.Config",
        ] {
            assert_eq!(property(&format!(" {name} = hunter2=")), format!("{name}=***"));
        }
        assert_eq!(property("hunter2"), "***");
        assert_eq!(property("a.url=http://u:hunter2@h/x"), "a.url=http://***@h/x");
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let same =
            ["h:1", "[::1]:6380", "redis://h:1/0", "rediss://user@h:7000/3", "unix:///x?db=1"];
        for plain in same {
            assert_eq!(address(plain), plain);
            assert!(!has_password(plain), "{plain}");
        }
        for (text, shown) in [
            ("redis://:hunter2@h:1/0", "redis://***@h:1/0"),
            ("redis://u:hunt@er2@h:1/0", "redis://***@h:1/0"),
            ("redis://hunt/er2@h:1", "redis://***@h:1"),
            (":hunter2@h:1", "***@h:1"),
            ("hunter2@h:1", "***@h:1"),
            ("unix:///x?pass=hunter2", "unix://***"),
        ] {
            assert_eq!(address(text), shown);
            assert!(has_password(text), "{text}");
        }
    }
}
