//! What a process said, line by line, each with the time since the process was started; and waiting for a line.

use crate::error::{Error, Result};
use core::time::Duration;
use regex_lite::Regex;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// One line without its line end.
#[derive(Clone, Debug)]
pub struct Line {
    /// Time since the process was started.
    pub at: Duration,
    /// The text, with invalid UTF-8 replaced.
    pub text: String,
}

/// The growing output of one process. Clones share it.
#[derive(Clone)]
pub struct Transcript {
    who: String,
    started: Instant,
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    partial: Vec<u8>,
    readers: usize,
}

impl Transcript {
    /// An empty transcript of `who`; times count from now.
    pub fn new(who: &str) -> Transcript {
        Transcript { who: who.to_string(), started: Instant::now(), shared: Arc::default() }
    }

    /// Reads `stream` to its end on a thread of its own, appending to `log` as it goes and to standard output when
    /// `echo` is set.
    pub fn follow(&self, mut stream: impl Read + Send + 'static, mut log: Option<File>, echo: bool) {
        let transcript = self.clone();
        transcript.lock().readers += 1;
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = stream.read(&mut buffer) {
                let bytes = buffer.get(..count).unwrap_or_default();
                if bytes.is_empty() {
                    break;
                }
                if let Some(file) = &mut log {
                    let _ = file.write_all(bytes);
                }
                if echo {
                    let _ = std::io::stdout().write_all(bytes);
                }
                transcript.append(bytes);
            }
            let mut state = transcript.lock();
            if !state.partial.is_empty() {
                let rest = core::mem::take(&mut state.partial);
                transcript.push(&mut state, &rest);
            }
            state.readers -= 1;
            transcript.shared.1.notify_all();
        });
    }

    fn append(&self, bytes: &[u8]) {
        let mut state = self.lock();
        for &byte in bytes {
            if byte == b'\n' {
                let line = core::mem::take(&mut state.partial);
                self.push(&mut state, &line);
            } else {
                state.partial.push(byte);
            }
        }
        self.shared.1.notify_all();
    }

    fn push(&self, state: &mut State, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).trim_end_matches('\r').to_string();
        state.lines.push(Line { at: self.started.elapsed(), text });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every stream has been read to its end, at most `timeout`: a grandchild may hold one open.
    pub fn finish(&self, timeout: Duration) {
        let (_, changed) = &*self.shared;
        // A timeout is an answer too: what has been read until then is there.
        let _ = changed.wait_timeout_while(self.lock(), timeout, |state| state.readers > 0);
    }

    /// When the process was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How many whole lines there are: a mark from which to wait on.
    pub fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// Whether nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All lines from the mark `from` on.
    pub fn lines(&self, from: usize) -> Vec<Line> {
        self.lock().lines.get(from..).unwrap_or_default().to_vec()
    }

    /// The whole text so far.
    pub fn text(&self) -> String {
        self.lines(0).iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// The last lines, for error messages.
    pub fn tail(&self) -> String {
        let state = self.lock();
        let from = state.lines.len().saturating_sub(25);
        let mut text = String::new();
        for line in state.lines.get(from..).unwrap_or_default() {
            text.push_str(&format!("  {:8.3} {}\n", line.at.as_secs_f64(), line.text));
        }
        text.push_str(&String::from_utf8_lossy(&state.partial));
        text
    }

    /// Waits until a line from the mark `from` on matches `pattern`.
    ///
    /// # Errors
    /// [`Error::NoLine`] when `timeout` passes, [`Error::Ended`] when the output ends first.
    pub fn expect_from(&self, from: usize, pattern: &str, timeout: Duration) -> Result<Line> {
        let regex = Regex::new(pattern).map_err(|error| Error::Observed {
            expected: "a pattern that compiles".into(),
            found: format!("/{pattern}/: {error}"),
        })?;
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        let mut next = from;
        loop {
            while let Some(line) = state.lines.get(next) {
                if regex.is_match(&line.text) {
                    return Ok(line.clone());
                }
                next += 1;
            }
            let ended = state.readers == 0;
            let left = deadline.saturating_duration_since(Instant::now());
            if ended || left.is_zero() {
                drop(state);
                let (who, pattern, tail) = (self.who.clone(), pattern.to_string(), self.tail());
                return Err(if ended {
                    Error::Ended { who, pattern, tail }
                } else {
                    Error::NoLine { who, pattern, waited: timeout, tail }
                });
            }
            state = self
                .shared
                .1
                .wait_timeout(state, left.min(Duration::from_millis(200)))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
