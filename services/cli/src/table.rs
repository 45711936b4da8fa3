//! Tables for people: aligned, with colours where these are wanted.

use crate::text;

/// Widest cell on a terminal, in columns; further text is cut.
const CELL_COLUMNS_MAX: usize = 60;
/// Between two columns.
const GAP: &str = "  ";

/// What a cell says about what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// It is well.
    Good,
    /// It is under way, or wants a look.
    Busy,
    /// It is not well.
    Bad,
    /// It matters less.
    Faint,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\u{1b}[32m",
            Self::Busy => "\u{1b}[33m",
            Self::Bad => "\u{1b}[31m",
            Self::Faint => "\u{1b}[2m",
        }
    }

    /// Of the state of a server, a job, a batch or a check.
    pub fn of(state: &str) -> Self {
        match state {
            "online" | "succeeded" | "green" | "done" => Self::Good,
            "failed" | "stuck" | "offline" | "quarantined" | "red" | "refused" => Self::Bad,
            "queued" | "finished" | "cancelled" | "never" => Self::Faint,
            _ => Self::Busy,
        }
    }
}

/// How a table is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    /// With colours.
    pub colour: bool,
    /// Cells that are too wide are cut.
    pub cut: bool,
}

impl Paint {
    /// A text in a tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        if !self.colour || tone == Tone::Plain || text.is_empty() {
            return text.to_owned();
        }
        format!("{}{text}\u{1b}[0m", tone.code())
    }
}

/// One field of a row.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text in a tone.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: text::line(text.as_ref()), tone }
    }

    /// A state, in its own tone.
    pub fn state(state: &str) -> Self {
        Self::toned(state, Tone::of(state))
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A column: its head, and whether it is aligned to the right, as numbers are.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Text.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

impl Column {
    const fn head(self) -> &'static str {
        match self {
            Self::Left(head) | Self::Right(head) => head,
        }
    }
}

/// Rows under heads.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Without rows yet.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One more row: a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines of the table; `None.` without rows. Nothing stands behind the last text of a line.
    pub fn show(&self, paint: Paint) -> String {
        if self.rows.is_empty() {
            return "None.\n".to_owned();
        }
        let short = |text: &str| {
            if paint.cut { text::cut(text, CELL_COLUMNS_MAX) } else { text.to_owned() }
        };
        let heads: Vec<Cell> =
            self.columns.iter().map(|c| Cell::toned(c.head(), Tone::Faint)).collect();
        let mut widths = vec![0; self.columns.len()];
        let lines = || std::iter::once(&heads).chain(&self.rows);
        for (n, cell) in lines().flat_map(|row| row.iter().enumerate()) {
            widths[n] = widths[n].max(text::width(&short(&cell.text)));
        }
        let mut out = String::new();
        for row in lines() {
            let mut line = String::new();
            // Filling that is owed before the next text.
            let mut owed = 0;
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(&widths) {
                let shown = short(&cell.text);
                let filling = width - text::width(&shown);
                let (before, after) = match column {
                    Column::Left(_) => (0, filling),
                    Column::Right(_) => (filling, 0),
                };
                if shown.is_empty() {
                    owed += width + GAP.len();
                } else {
                    line.push_str(&" ".repeat(owed + before));
                    line.push_str(&paint.tone(cell.tone, &shown));
                    owed = after + GAP.len();
                }
            }
            out.push_str(&line);
            out.push('\n');
        }
        out
    }
}

/// Names and values below one another; what is empty is left out.
#[derive(Debug, Clone, Default)]
pub struct Facts(Vec<(&'static str, Cell)>);

impl Facts {
    /// One more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cell>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// The lines.
    pub fn show(&self, paint: Paint) -> String {
        let shown = || self.0.iter().filter(|(_, cell)| !cell.text.is_empty());
        let width = shown().map(|(name, _)| text::width(name)).max().unwrap_or(0);
        let mut out = String::new();
        for (name, cell) in shown() {
            let filling = " ".repeat(width - text::width(name));
            let (name, value) = (paint.tone(Tone::Faint, name), paint.tone(cell.tone, &cell.text));
            out.extend([name.as_str(), &filling, GAP, &value, "\n"]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new(&[Column::Left("NAME"), Column::Right("PLAYS"), Column::Left("STATE")]);
        table.row(["音楽".into(), "7".into(), Cell::state("online")]);
        table.row(["The Rooks".into(), "1,234,567".into(), "".into()]);
        table.row(["".into(), "".into(), Cell::state("failed")]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        let want = "NAME           PLAYS  STATE\n\
                    音楽               7  online\n\
                    The Rooks  1,234,567\n                      failed\n";
        assert_eq!(table().show(Paint::default()), want);
    }

    #[test]
    fn colours_change_no_width() {
        let shown = table().show(Paint { colour: true, cut: true });
        assert!(shown.contains("\u{1b}[32monline\u{1b}[0m\n"), "{shown:?}");
        let mut plain = shown;
        for code in ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, table().show(Paint::default()));
    }

    #[test]
    fn what_is_long_is_cut_on_a_terminal_only() {
        let mut table = Table::new(&[Column::Left("NAME")]);
        table.row(["x".repeat(100).into()]);
        assert!(table.show(Paint::default()).contains(&"x".repeat(100)));
        assert!(!table.show(Paint { cut: true, ..Paint::default() }).contains(&"x".repeat(60)));
    }

    #[test]
    fn facts_that_are_empty_are_left_out() {
        let facts = Facts::default().with("name", "The Rooks").with("of", "").with("state", "ok");
        assert_eq!(facts.show(Paint::default()), "name   The Rooks\nstate  ok\n");
    }
}
