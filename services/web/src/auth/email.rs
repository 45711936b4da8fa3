//! Email addresses: what people sign in with. Nothing is ever sent to them, so only what would
//! surely be a mistake is refused.

/// Longest address, in bytes.
const BYTES_MAX: usize = 254;

/// Whether this can be an email address: something, `@`, something, and no spaces.
pub fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
        && text.len() <= BYTES_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"',;\\".contains(c))
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn mistakes_are_noticed() {
        assert!(is_email("admin@tourbus.localhost") && is_email("jörg+x@müller.example"));
        for wrong in ["", "a", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\0", "A <a@b>"] {
            assert!(!is_email(wrong), "{wrong:?}");
        }
        assert!(!is_email(&format!("{}@b.example", "a".repeat(250))));
    }
}
