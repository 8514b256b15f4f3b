//! Tables of text in columns.

/// How a cell is to be seen, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Head,
    Warning,
    Alarm,
}

impl Look {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Head => Some("1"),
            Self::Warning => Some("33"),
            Self::Alarm => Some("31;1"),
        }
    }

    /// The text so, where there are colours.
    pub(crate) fn paint(self, text: &str, colours: bool) -> String {
        match self.code().filter(|_| colours) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }
}

/// Rows of cells. Numbers stand at the right of their columns.
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<(String, Look)>>,
}

impl Table {
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<(String, Look)>) {
        self.rows.push(row);
    }

    pub(crate) fn text(&self, colours: bool) -> String {
        let width = |text: &str| text.chars().count();
        let widths: Vec<_> = (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| width(text));
                cells.chain([width(self.head[column])]).max().unwrap_or(0)
            })
            .collect();
        let is_number: Vec<_> = (0..self.head.len())
            .map(|column| {
                let mut cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.all(|(text, _)| text.starts_with(|first: char| first.is_ascii_digit() || first == '-'))
            })
            .collect();
        let head: Vec<_> = self.head.iter().map(|text| ((*text).to_owned(), Look::Head)).collect();
        let mut out = String::new();
        for row in core::iter::once(&head).chain(&self.rows) {
            let cells = row.iter().enumerate().map(|(column, (text, look))| {
                let blanks = " ".repeat(widths[column].saturating_sub(width(text)));
                let is_last = column + 1 == row.len();
                let painted = look.paint(text, colours);
                match (is_number[column], is_last) {
                    (true, _) => blanks + &painted,
                    (false, true) => painted,
                    (false, false) => painted + &blanks,
                }
            });
            out += cells.collect::<Vec<_>>().join("  ").trim_end();
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(&["NAME", "N", "WHAT"]);
        table.push(vec![("é".into(), Look::Plain), ("10".into(), Look::Alarm), ("x".into(), Look::Plain)]);
        table.push(vec![("longer".into(), Look::Plain), ("5".into(), Look::Plain), ("".into(), Look::Plain)]);
        assert_eq!(table.text(false), "NAME     N  WHAT\né       10  x\nlonger   5\n");
        assert!(table.text(true).contains("\u{1b}[31;1m10\u{1b}[0m"));
    }
}
