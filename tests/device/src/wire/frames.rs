//! Frames on a stream as QEMU's `-netdev stream` has them: each behind its length, 4 bytes, big-endian.

use crate::queue::Frame;
use std::io::{self, Read, Write};

/// Longest frame that is believed; QEMU's own limit is 68 KiB.
const LONGEST: usize = 68 * 1024;

/// Writes frames in one go.
pub(super) fn write(stream: &mut impl Write, frames: &[Frame]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 4).sum());
    for frame in frames {
        bytes.extend((frame.len() as u32).to_be_bytes());
        bytes.extend(frame);
    }
    stream.write_all(&bytes)
}

/// Reads the next frame. Nothing at the stream's end.
pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut bytes = Vec::new();
        write(&mut bytes, &[vec![1; 60], Vec::new(), vec![2; 9014]]).unwrap();
        assert_eq!(bytes[..5], [0, 0, 0, 60, 1]);
        let mut stream = bytes.as_slice();
        let lengths: Vec<usize> =
            core::iter::from_fn(|| read(&mut stream).unwrap()).map(|frame| frame.len()).collect();
        assert_eq!(lengths, [60, 0, 9014]);
    }

    #[test]
    fn broken_streams_are_told_from_ended_ones() {
        assert!(read(&mut [].as_slice()).unwrap().is_none());
        assert!(read(&mut [0, 0, 0, 5, 1].as_slice()).is_err());
        assert!(read(&mut [0xff, 0, 0, 0, 1].as_slice()).is_err(), "that long a frame is a lost framing");
    }
}
