//! `join.sh`: what the one-line command runs. docs/joining.md tells it line by line.

use crate::{app::App, problem::Problem};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::env::consts::ARCH;

/// The script, with `@MARKS@` for what depends on the master.
const SCRIPT: &str = include_str!("../../templates/join.sh");

/// The script for this master.
pub async fn script(State(app): State<App>) -> Result<Response, Problem> {
    let program = app.own_program.get().await?;
    let text = fill(&app.config.cluster.main_url, &program.sha256);
    let kind = HeaderValue::from_static("text/x-shellscript; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn fill(main_url: &str, sha256: &str) -> String {
    SCRIPT
        .replace("@MAIN_URL@", &quoted(main_url))
        .replace("@SHA256@", &quoted(sha256))
        .replace("@ARCH@", &quoted(ARCH))
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_configuration_is_run() {
        let text = fill("http://a.example/'; rm -rf / #", "00");
        assert!(text.contains(r"main_url='http://a.example/'\''; rm -rf / #'"), "{text}");
        let mark = ["@MAIN_URL@", "@SHA256@", "@ARCH@"].into_iter().find(|m| text.contains(m));
        assert_eq!(mark, None);
    }
}
