//! Frames over a connection: what a thread has received and not looked at yet, and what it has not sent yet.

use crate::unix::socket::Control;
use crate::unix::{fork, socket};
use crate::wire::frame::{self, FrameError, Kind, Parsed};
use core::ops::Range;
use core::time::Duration;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{MsgFlags, getsockopt};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Why a conversation cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChannelError {
    #[error("the other side closed the connection")]
    Closed,
    /// As above, and it had not read all that it was sent.
    #[error("the other side closed the connection unread")]
    Reset,
    #[error("the other side did not answer in time")]
    TimedOut,
    #[error("{0}")]
    System(Errno),
    #[error("the other side sent {0}")]
    Frame(#[from] FrameError),
}

/// The memory of a thread for its conversations; empty between two of them.
pub(crate) struct Buffers {
    input: Vec<u8>,
    /// What is received and not looked at yet.
    unread: Range<usize>,
    out: Vec<u8>,
    control: Control,
    descriptors: Vec<OwnedFd>,
}

/// Room for what is received at once.
const ROOM: usize = frame::PIECE + 4096;

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            input: vec![0; ROOM],
            unread: 0..0,
            out: Vec::with_capacity(4096),
            control: Control::default(),
            descriptors: Vec::new(),
        }
    }

    /// Forgets what a conversation left, and gives back memory that only a large one needs.
    pub(crate) fn clear(&mut self) {
        self.unread = 0..0;
        self.out.clear();
        self.descriptors.clear();
        if self.input.len() > ROOM {
            self.input = vec![0; ROOM];
        }
        if self.out.capacity() > ROOM {
            self.out = Vec::with_capacity(4096);
        }
    }
}

/// A conversation over `stream`.
pub(crate) struct Channel<'c> {
    stream: &'c UnixStream,
    buffers: &'c mut Buffers,
    /// Why something could not be sent as a whole: what is sent behind it would be taken for the rest.
    broken: Option<ChannelError>,
    /// Whether there may come an answer that nobody waits for any more.
    out_of_step: bool,
}

impl<'c> Channel<'c> {
    pub(crate) fn new(stream: &'c UnixStream, buffers: &'c mut Buffers) -> Self {
        buffers.clear();
        Self { stream, buffers, broken: None, out_of_step: false }
    }

    /// The next frame among what has been received.
    ///
    /// # Errors
    /// What has been received is no frame.
    pub(crate) fn next(&mut self) -> Result<Option<(Kind, Range<usize>)>, ChannelError> {
        let start = self.buffers.unread.start;
        match frame::parse(&self.buffers.input[self.buffers.unread.clone()])? {
            Parsed::Frame(kind, range) => {
                self.buffers.unread.start = start + range.end;
                Ok(Some((kind, start + range.start..start + range.end)))
            }
            Parsed::Partial(_) => Ok(None),
        }
    }

    /// The payload of a frame that [`Self::next`] found, until more is received.
    pub(crate) fn payload(&self, range: Range<usize>) -> &[u8] {
        &self.buffers.input[range]
    }

    /// Waits for a frame.
    ///
    /// # Errors
    /// See [`ChannelError`].
    #[cfg(test)]
    pub(crate) fn wait(&mut self) -> Result<(Kind, Range<usize>), ChannelError> {
        loop {
            if let Some(frame) = self.next()? {
                return Ok(frame);
            }
            let received = self.receive(MsgFlags::empty());
            self.out_of_step |= received == Err(ChannelError::TimedOut);
            received?;
        }
    }

    /// Takes a frame whose first bytes are there; each part of the rest must follow within `time`.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn take_begun(&mut self, time: Duration) -> Result<(Kind, Range<usize>), ChannelError> {
        loop {
            if let Some(frame) = self.next()? {
                return Ok(frame);
            }
            if !self.receive_now()? && !self.is_readable_within(time) {
                return Err(ChannelError::TimedOut);
            }
        }
    }

    /// The kind of the next frame, if it has been received as a whole.
    pub(crate) fn peek(&self) -> Option<Kind> {
        match frame::parse(&self.buffers.input[self.buffers.unread.clone()]) {
            Ok(Parsed::Frame(kind, _)) => Some(kind),
            _ => None,
        }
    }

    /// Whether all that has been received has been looked at.
    pub(crate) fn is_drained(&self) -> bool {
        self.buffers.unread.is_empty()
    }

    /// Waits until more is received.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn receive_more(&mut self) -> Result<(), ChannelError> {
        self.receive(MsgFlags::empty())
    }

    /// Receives what is there without waiting; `false` if nothing is.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn receive_now(&mut self) -> Result<bool, ChannelError> {
        match self.receive(MsgFlags::MSG_DONTWAIT) {
            Ok(()) => Ok(true),
            Err(ChannelError::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the other side sends from now on does not arrive, and it is told so. What it has sent before can be received.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn refuse_more(&self) -> std::io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Read)
    }

    /// Whether there is something to receive within `time`.
    pub(crate) fn is_readable_within(&self, time: Duration) -> bool {
        let mut descriptors = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        poll(&mut descriptors, timeout) != Ok(0)
    }

    fn receive(&mut self, flags: MsgFlags) -> Result<(), ChannelError> {
        check_ours()?;
        self.make_room()?;
        let Buffers { input, unread, control, descriptors, .. } = &mut *self.buffers;
        let received = socket::receive(self.stream, &mut input[unread.end..], control, descriptors, flags);
        if descriptors.len() > 1 {
            // One comes with its frame, and is taken before the next. A peer that sends more would use up this process's.
            descriptors.clear();
            return Err(FrameError::Descriptors.into());
        }
        match received.map_err(failure)? {
            0 => Err(ChannelError::Closed),
            length => {
                unread.end += length;
                Ok(())
            }
        }
    }

    /// Makes room for the rest of the frame that has begun.
    fn make_room(&mut self) -> Result<(), ChannelError> {
        let Buffers { input, unread, .. } = &mut *self.buffers;
        if unread.start == unread.end {
            *unread = 0..0;
        } else if unread.start > 0 {
            input.copy_within(unread.clone(), 0);
            *unread = 0..unread.len();
        }
        if let Parsed::Partial(length) = frame::parse(&input[unread.clone()])?
            && length > input.len()
        {
            // A peer that announces much has sent little so far: the memory comes as the bytes do.
            let more = length.min(input.len() * 2);
            if unread.end == input.len() {
                input.resize(more, 0);
            }
        }
        Ok(())
    }

    /// A descriptor that came with a frame.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        if self.buffers.descriptors.is_empty() { None } else { Some(self.buffers.descriptors.remove(0)) }
    }

    /// What is to be sent with the next [`Self::send`].
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.buffers.out
    }

    /// Sends what is there to be sent.
    ///
    /// # Errors
    /// See [`ChannelError`]; what was to be sent is forgotten.
    pub(crate) fn send(&mut self) -> Result<(), ChannelError> {
        self.send_with(&[])
    }

    /// Sends what is there to be sent, and `data` behind it, which is not copied.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn send_with(&mut self, data: &[u8]) -> Result<(), ChannelError> {
        self.transmit(data, None)
    }

    /// Sends what is there to be sent, with a copy of `descriptor`.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub(crate) fn send_with_descriptor(&mut self, descriptor: &OwnedFd) -> Result<(), ChannelError> {
        self.transmit(&[], Some(descriptor))
    }

    fn transmit(&mut self, data: &[u8], descriptor: Option<&OwnedFd>) -> Result<(), ChannelError> {
        let sent = self.check_whole().and_then(|()| check_ours()).and_then(|()| {
            let sent = socket::send(self.stream, &self.buffers.out, data, descriptor).map_err(failure);
            self.broken = sent.err();
            sent
        });
        self.buffers.out.clear();
        sent
    }

    fn check_whole(&self) -> Result<(), ChannelError> {
        self.broken.map_or(Ok(()), Err)
    }

    /// Whether the connection is good for another conversation.
    ///
    /// # Errors
    /// Something was not sent, or not answered in time.
    pub(crate) fn check(&self) -> Result<(), ChannelError> {
        self.check_whole()?;
        if self.out_of_step { Err(ChannelError::TimedOut) } else { Ok(()) }
    }

    /// An answer that was asked for may still come, and nobody takes it any more.
    pub(crate) fn note_out_of_step(&mut self) {
        self.out_of_step = true;
    }

    /// The connection, for those who wait for it without the conversation.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// The process at the other side.
    pub(crate) fn other_side(&self) -> Option<i32> {
        getsockopt(self.stream, PeerCredentials).ok().map(|credentials| credentials.pid())
    }
}

fn failure(error: Errno) -> ChannelError {
    match error {
        Errno::EAGAIN => ChannelError::TimedOut,
        Errno::EPIPE => ChannelError::Closed,
        Errno::ECONNRESET => ChannelError::Reset,
        error => ChannelError::System(error),
    }
}

/// A copy that an application makes of a daemon (`os.fork()`) has its descriptors, and nothing to say over them.
fn check_ours() -> Result<(), ChannelError> {
    if fork::is_copy() { Err(ChannelError::Closed) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame::{HEADER, header};
    use proptest::prelude::*;
    use std::io::Write;

    fn frame_of(kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::push(&mut bytes, kind, payload);
        bytes
    }

    /// Reads frames until the conversation fails; returns how many there were, why it failed, and the memory that it took.
    fn read_all(pieces: &[Vec<u8>]) -> (usize, ChannelError, usize) {
        let (mut here, there) = UnixStream::pair().expect("a pair");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for piece in pieces {
                    // The reader may have had enough.
                    let _ = here.write_all(piece);
                }
            });
            let mut buffers = Buffers::new();
            let mut channel = Channel::new(&there, &mut buffers);
            let mut count = 0;
            let error = loop {
                match channel.wait() {
                    Ok((_, range)) => count += usize::from(channel.payload(range).len() < usize::MAX),
                    Err(error) => break error,
                }
            };
            let _ = there.shutdown(std::net::Shutdown::Both);
            (count, error, buffers.input.len())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn nonsense_ends_a_conversation_and_takes_no_more_memory_than_it_is_long(pieces: Vec<Vec<u8>>) {
            let (_, error, memory) = read_all(&pieces);
            let is_end = matches!(error, ChannelError::Closed | ChannelError::Reset | ChannelError::Frame(_));
            prop_assert!(is_end);
            prop_assert!(memory <= ROOM.max(2 * pieces.concat().len()));
        }

        #[test]
        fn what_is_announced_and_not_sent_takes_no_memory(length in 0_u32..(16 << 20), sent in 0_usize..300_000) {
            let pieces = [header(Kind::Request, length as usize).to_vec(), vec![0; sent.min(length as usize)]];
            let (count, _, memory) = read_all(&pieces);
            prop_assert_eq!(count, usize::from(sent >= length as usize));
            prop_assert!(memory <= ROOM.max(2 * (sent + HEADER)));
        }

        #[test]
        fn what_was_sent_before_it_was_refused_arrives(count in 0_usize..100) {
            let (mut here, there) = UnixStream::pair().expect("a pair");
            here.write_all(&frame_of(Kind::Log, b"a line").repeat(count)).expect("written");
            let mut buffers = Buffers::new();
            let mut channel = Channel::new(&there, &mut buffers);
            channel.refuse_more().expect("an open socket");
            prop_assert_eq!(here.write_all(b"more").map_err(|error| error.kind()), Err(std::io::ErrorKind::BrokenPipe));
            for _ in 0..count {
                prop_assert_eq!(channel.wait().map(|frame| frame.0), Ok(Kind::Log));
            }
            prop_assert_eq!(channel.wait(), Err(ChannelError::Closed));
        }

        #[test]
        fn a_frame_that_does_not_go_on_is_given_up(sent in 0_usize..100) {
            let (mut here, there) = UnixStream::pair().expect("a pair");
            let bytes = [&header(Kind::Request, 100)[..], &[0; 100]].concat();
            here.write_all(&bytes[..sent + HEADER]).expect("written");
            let mut buffers = Buffers::new();
            let mut channel = Channel::new(&there, &mut buffers);
            prop_assert_eq!(channel.take_begun(Duration::from_millis(1)), Err(ChannelError::TimedOut));
            here.write_all(&bytes[sent + HEADER..]).expect("written");
            let frame = channel.take_begun(Duration::from_millis(1));
            prop_assert_eq!(frame, Ok((Kind::Request, HEADER..HEADER + 100)));
        }

        #[test]
        fn frames_arrive_whole_however_they_are_cut(payloads: Vec<Vec<u8>>, cut in 1_usize..50) {
            let mut bytes = Vec::new();
            payloads.iter().for_each(|payload| frame::push(&mut bytes, Kind::Data, payload));
            let pieces: Vec<_> = bytes.chunks(cut).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(read_all(&pieces).0, payloads.len());
        }
    }
}
