//! Where the children's lines go.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// Colours of names, as in the `30..37` of terminals; without black, white and red.
const COLOURS: [u8; 10] = [32, 33, 34, 35, 36, 92, 93, 94, 95, 96];
/// Names are padded to this width, so that lines align.
const NAME_WIDTH: usize = 16;

/// Where the lines of child processes go.
#[derive(Clone)]
pub struct Logs {
    target: Target,
}

#[derive(Clone)]
enum Target {
    Terminal { colour: bool },
    Files { dir: PathBuf, open: Arc<Mutex<BTreeMap<String, File>>> },
}

impl Logs {
    /// To standard output, with the name in front, coloured if that is a terminal.
    pub fn terminal() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { target: Target::Terminal { colour } }
    }

    /// To one file per name in `dir`, which must exist.
    pub fn files(dir: impl Into<PathBuf>) -> Self {
        Self { target: Target::Files { dir: dir.into(), open: Arc::default() } }
    }

    /// Writes one line. Lost if nobody can take it: a full disk or a closed terminal must not
    /// stop the processes.
    pub fn line(&self, name: &str, line: &str) {
        let written = match &self.target {
            Target::Terminal { colour } => to_terminal(*colour, name, line),
            Target::Files { dir, open } => {
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                let file = match open.entry(name.to_owned()) {
                    std::collections::btree_map::Entry::Occupied(file) => Ok(file.into_mut()),
                    std::collections::btree_map::Entry::Vacant(place) => {
                        let path = dir.join(format!("{name}.log"));
                        OpenOptions::new()
                            .create(true)
                            .append(true)
                            .open(path)
                            .map(|file| place.insert(file))
                    }
                };
                file.and_then(|file| writeln!(file, "{line}"))
            }
        };
        drop(written);
    }
}

fn to_terminal(colour: bool, name: &str, line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if colour {
        let sum: usize = name.bytes().map(usize::from).sum();
        let code = COLOURS[sum % COLOURS.len()];
        writeln!(out, "\x1b[{code}m{name:NAME_WIDTH$} |\x1b[0m {line}")
    } else {
        writeln!(out, "{name:NAME_WIDTH$} | {line}")
    }
}
