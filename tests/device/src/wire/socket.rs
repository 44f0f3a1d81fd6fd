//! A wire to a unix socket with QEMU's `-netdev stream,addr.type=unix,addr.path=PATH` at its other end.
//!
//! Where somebody listens (`server=on`) the wire connects, otherwise it listens (`server=off`), and it does so again
//! whenever the other end has left. Frames that are sent while nobody is there are lost, as on an unplugged cable.

use super::{Wire, frames};
use crate::card::Card;
use crate::{lock, server};
use core::time::Duration;
use std::io::{self, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// Between two attempts to reach a listener that has gone.
const AGAIN: Duration = Duration::from_millis(200);

/// How the other end is found.
enum Meeting {
    Connect(PathBuf),
    Listen(UnixListener),
}

impl Meeting {
    fn next(&self) -> io::Result<UnixStream> {
        match self {
            Meeting::Listen(listener) => Ok(listener.accept()?.0),
            Meeting::Connect(path) => loop {
                match UnixStream::connect(path) {
                    Ok(stream) => return Ok(stream),
                    Err(_) => thread::sleep(AGAIN),
                }
            },
        }
    }
}

impl Wire {
    pub(super) fn join_socket(self: &Arc<Wire>, card: &Arc<Card>, path: &Path) -> io::Result<()> {
        let meeting = match UnixStream::connect(path) {
            Ok(stream) => {
                drop(stream);
                Meeting::Connect(path.to_path_buf())
            }
            Err(_) => Meeting::Listen(server::listen(path).map_err(io::Error::other)?),
        };
        let plugged: Arc<Mutex<Option<UnixStream>>> = Arc::default();
        let out = plugged.clone();
        self.lead(
            card.outgoing(),
            Box::new(move |burst| {
                let mut out = lock(&out);
                if let Some(stream) = out.as_mut()
                    && frames::write(stream, &burst).is_err()
                {
                    *out = None;
                }
            }),
        )?;
        let (queue, name) = (self.back(card)?, card.name().to_string());
        thread::Builder::new().name(format!("socket of {name}")).spawn(move || {
            loop {
                let met = meeting.next().and_then(|stream| Ok((stream.try_clone()?, stream)));
                let (sender, stream) = match met {
                    Ok(met) => met,
                    Err(error) => return log::error!("{name}: no more wire: {error}"),
                };
                *lock(&plugged) = Some(sender);
                let mut stream = BufReader::new(stream);
                loop {
                    match frames::read(&mut stream) {
                        Ok(Some(frame)) => {
                            queue.push([frame]);
                            queue.settle();
                        }
                        Ok(None) => break log::info!("{name}: the other end of the wire has left"),
                        Err(error) => break log::warn!("{name}: the wire broke: {error}"),
                    }
                }
                *lock(&plugged) = None;
            }
        })?;
        Ok(())
    }
}
