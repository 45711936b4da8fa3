//! `bench [songs|small|huge|pages|media|front-door|plays|lofi|control|tabs]…`: the benchmarks, each against a peer in the same run.
//!
//! Real parts, a release build of `tourbus` (`TOURBUS_BINARY`), a real Garage, `rclone`. Prints
//! Markdown rows for `docs/benchmarks.md`. Never part of the tests: this is about numbers.

use anyhow::{Context, Result, bail};
use tourbus_tests::bench;

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let all = [
        "songs",
        "small",
        "huge",
        "pages",
        "media",
        "front-door",
        "plays",
        "lofi",
        "control",
        "tabs",
    ];
    for name in &wanted {
        if !all.contains(&name.as_str()) {
            bail!("{name:?} is no benchmark; there are {all:?}");
        }
    }
    for name in all {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            let run = match name {
                "songs" => bench::songs().await,
                "small" => bench::small().await,
                "huge" => bench::huge().await,
                "pages" => bench::pages().await,
                "media" => bench::media().await,
                "front-door" => bench::front_door().await,
                "lofi" => bench::lofi(),
                "control" => bench::control().await,
                "tabs" => bench::tabs().await,
                _ => bench::plays().await,
            };
            run.with_context(|| format!("the benchmark {name}"))?;
        }
    }
    Ok(())
}
