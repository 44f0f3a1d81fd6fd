//! The control socket: one command a line, answered by lines and then an empty one. A line that begins with `error: `
//! says what was wrong and what is accepted.

mod desk;
mod request;

pub use desk::Desk;
pub use desk::write_trace;
pub use request::{HELP, Request};

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

/// Longest line that is read: a jumbo frame in hexadecimal and its command.
const LONGEST: u64 = 256 * 1024;

/// Answers everybody who connects to `listener`, each in a thread, until the process ends.
///
/// # Errors
/// When no thread can be started.
pub fn serve(desk: Arc<Desk>, listener: UnixListener) -> io::Result<()> {
    thread::Builder::new().name("control".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let desk = desk.clone();
            let spoken = thread::Builder::new().name("control line".into()).spawn(move || {
                // Whoever asks may leave at any time.
                let _ = converse(&desk, stream);
            });
            if let Err(error) = spoken {
                log::error!("control: {error}");
            }
        }
    })?;
    Ok(())
}

fn converse(desk: &Desk, stream: UnixStream) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut questions = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if io::Read::take(&mut questions, LONGEST).read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.trim().is_empty() {
            continue;
        }
        let mut text = String::new();
        let request = Request::parse(&line, desk.cards().len(), desk.wires().len());
        let quits = request == Ok(Request::Quit);
        match request.map_err(|mistake| mistake.to_string()).and_then(|request| desk.answer(request)) {
            Ok(lines) => {
                for line in lines.lines().filter(|line| !line.is_empty()) {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            Err(error) => text = format!("error: {}\n", error.replace('\n', " ")),
        }
        text.push('\n');
        answers.write_all(text.as_bytes())?;
        if quits {
            // Only now, so that the answer arrives.
            desk.quit();
        }
    }
}

#[cfg(test)]
mod tests;
