//! Names of users, for remedies that can be copied.

use std::fs;

/// The name of a user id; its number when it has none.
pub fn user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    named(&passwd, uid).unwrap_or_else(|| uid.to_string())
}

fn named(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\ntourbus:x:998:998::/:/sbin/nologin\n";
        assert_eq!(named(passwd, 998).as_deref(), Some("tourbus"));
        assert_eq!(named(passwd, 5), None);
    }
}
