//! Which passwords are taken: long ones that are not among the first that anybody would try.
//! There are no rules about kinds of characters: they make passwords worse.

/// Shortest password, in characters.
pub const CHARS_MIN: usize = 12;
/// Longest password, in bytes: a limit for the hash's work, not for people.
pub const BYTES_MAX: usize = 1024;
/// So many characters must be left when everything that is easily guessed is taken out.
const OWN_CHARS_MIN: usize = 6;
/// So many different characters there must be.
const DIFFERENT_MIN: usize = 5;
/// A run of neighbours on a keyboard or in the alphabet counts as guessed from this length on.
const RUN_MIN: usize = 4;

/// Rows of keys and other orders that fingers and heads follow.
const ORDERS: [&str; 6] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1q2w3e4r5t6y7u8i9o0p1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/// Words of the most used passwords, longer ones before those that they hold.
const WORDS: &str = include_str!("common_words.txt");

/// Why a password is not taken; says what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short.
    #[error("The password is too short: use {CHARS_MIN} characters or more.")]
    Short,
    /// Too long.
    #[error("The password is too long: use at most {BYTES_MAX} bytes.")]
    Long,
    /// Among the first that are tried.
    #[error(
        "The password is easily guessed: use several words that have nothing to do with each \
         other, or let a password manager draw one."
    )]
    Common,
}

/// Checks a new password of the account with this email.
pub fn check(password: &str, email: &str) -> Result<(), WeakPassword> {
    let chars = password.chars().count();
    if password.len() > BYTES_MAX {
        return Err(WeakPassword::Long);
    }
    if chars < CHARS_MIN {
        return Err(WeakPassword::Short);
    }
    let different: std::collections::BTreeSet<char> = password.chars().collect();
    let own = own_part(&plain(password), &email.to_lowercase());
    if different.len() < DIFFERENT_MIN || own.chars().count() < OWN_CHARS_MIN {
        return Err(WeakPassword::Common);
    }
    Ok(())
}

/// Lower case, with the usual disguises taken off.
fn plain(text: &str) -> String {
    let undisguise = |c: char| match c {
        '@' => 'a',
        '$' => 's',
        '!' => 'i',
        c => c,
    };
    text.to_lowercase().chars().map(undisguise).collect()
}

/// What is left when words, names of this account and runs of neighbours are taken out.
fn own_part(password: &str, email: &str) -> String {
    let mut left = password.to_owned();
    let names = email.split(|c: char| !c.is_alphanumeric()).filter(|n| n.len() >= RUN_MIN);
    let words = WORDS.lines().filter(|l| !l.is_empty());
    for word in names.chain(words) {
        left = left.replace(word, "");
        let disguised = word.replace('o', "0").replace('i', "1").replace('e', "3");
        left = left.replace(&disguised, "");
    }
    for order in ORDERS {
        let back: String = order.chars().rev().collect();
        left = without_runs(&without_runs(&left, order), &back);
    }
    left
}

fn without_runs(text: &str, order: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let run = ends.take_while(|end| order.contains(&rest[..*end])).last().unwrap_or(0);
        let run = if rest[..run].chars().count() >= RUN_MIN { run } else { 0 };
        if run == 0 {
            out.push(first);
        }
        rest = &rest[run.max(if run == 0 { first.len_utf8() } else { 0 })..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for common in [
            "password1234",
            "Password123!",
            "P@ssw0rd1234",
            "passwordpassword",
            "123456789012",
            "qwertyuiop12",
            "1q2w3e4r5t6y",
            "aaaaaaaaaaaa",
            "abababababab",
            "adminadmin123",
            "Tourbus2026!",
            "letmein12345",
            "iloveyou1234",
            "correcthorsebatterystaple",
            "zyxwvutsrqponm",
            "qazwsxedcrfv",
            "Maria.Sommer1",
        ] {
            let checked = check(common, "maria.sommer@example.org");
            assert_eq!(checked, Err(WeakPassword::Common), "{common}");
        }
        assert_eq!(check("short", "a@b.example"), Err(WeakPassword::Short));
        assert_eq!(check(&"x1y2z3".repeat(200), "a@b.example"), Err(WeakPassword::Long));
    }

    #[test]
    fn length_is_enough() {
        for fine in [
            "correct horse",
            "several plain words",
            "ein langer satz ohne zahlen",
            "839201748265",
            "ğüşıöç-ğüşıöç",
            "b7f19c0de2aa4481",
        ] {
            assert_eq!(check(fine, "maria.sommer@example.org"), Ok(()), "{fine}");
        }
    }
}
