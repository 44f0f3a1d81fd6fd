//! Text that is kept up to date on standard output: on a terminal in place, on its alternate screen, elsewhere as one
//! page after the other.
//!
//! The terminal is written to with the control sequences of ECMA-48 that every terminal has. What does not fit is cut
//! off, and said to be.

use core::time::Duration;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

/// Time between two pictures on a terminal.
const TERMINAL: Duration = Duration::from_millis(500);
/// Time between two pages elsewhere.
const PLAIN: Duration = Duration::from_secs(2);
/// Rows and columns of a terminal that does not say.
const USUAL: (usize, usize) = (24, 80);

/// Alternate screen, cursor away.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Cursor back, usual screen.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left corner.
const HOME: &str = "\x1b[H";
/// Clears the rest of the line.
const END_OF_LINE: &str = "\x1b[K";

/// Where the view is.
pub struct Screen {
    terminal: bool,
    next: Instant,
}

impl Screen {
    /// Takes standard output; a terminal gets its old picture back when this is dropped.
    pub fn open() -> Screen {
        let terminal = io::stdout().is_terminal();
        if terminal {
            put(ENTER);
        }
        Screen { terminal, next: Instant::now() }
    }

    /// Whether it is a terminal: there nobody else should write.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Shows what `text` makes for so many columns and rows, if it is time to. `last` are lines for the lower edge of a terminal.
    pub fn refresh(&mut self, text: impl FnOnce(usize, usize) -> String, last: &[String]) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        if self.terminal {
            self.next = now + TERMINAL;
            let (rows, columns) = size();
            let last = &last[last.len().saturating_sub(rows / 4)..];
            put(&picture(&text(columns, rows - last.len()), last, rows, columns));
        } else {
            self.next = now + PLAIN;
            put(&format!("{}\n", text(super::COLUMNS, usize::MAX)));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.terminal {
            put(LEAVE);
        }
    }
}

/// Whoever has closed our output does not want to see it.
fn put(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => USUAL,
    }
}

/// A whole screen: `text` from the top, `last` at the bottom.
fn picture(text: &str, last: &[String], rows: usize, columns: usize) -> String {
    let room = rows.saturating_sub(last.len());
    let lines: Vec<&str> = text.lines().collect();
    let mut picture = String::from(HOME);
    let mut shown: Vec<String> = lines.iter().take(room).map(|line| cut(line, columns)).collect();
    if lines.len() > room
        && let Some(end) = shown.last_mut()
    {
        *end = cut(&format!("… {} more lines", lines.len() - room + 1), columns);
    }
    shown.resize(room, String::new());
    shown.extend(last.iter().map(|line| cut(line, columns)));
    // A row is cleared before it is written: behind its last column the cursor still stands on it. No line end behind
    // the last row: it would move the screen up.
    let shown: Vec<String> = shown.iter().map(|row| format!("{END_OF_LINE}{row}")).collect();
    picture.push_str(&shown.join("\r\n"));
    picture
}

/// A line's first columns, without anything that would move the cursor.
fn cut(line: &str, columns: usize) -> String {
    line.chars().filter(|character| !character.is_control()).take(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a picture as a terminal would show them.
    fn rows(picture: &str) -> Vec<String> {
        let text = picture.strip_prefix(HOME).unwrap();
        // Every row clears what stood there.
        text.split("\r\n").map(|row| row.strip_prefix(END_OF_LINE).unwrap().to_string()).collect()
    }

    #[test]
    fn a_picture_fills_the_screen_exactly() {
        let last = ["one".to_string(), "two".to_string()];
        assert_eq!(
            rows(&picture("a\nlong line\nb\n", &last, 8, 6)),
            ["a", "long l", "b", "", "", "", "one", "two"]
        );
    }

    #[test]
    fn what_does_not_fit_is_said_to_be_missing() {
        let text = "1\n2\n3\n4\n5\n6\n";
        assert_eq!(rows(&picture(text, &[], 4, 80)), ["1", "2", "3", "… 3 more lines"]);
        assert_eq!(rows(&picture(text, &[], 6, 80)), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(rows(&picture(text, &[], 1, 80)).len(), 1);
    }

    #[test]
    fn a_drivers_name_cannot_move_the_cursor() {
        assert_eq!(cut("x\x1b[2Jy\r", 80), "x[2Jy");
    }
}
