//! The result of an application on its way to the client (PEP 3333, "Buffering
//! and Streaming").
//!
//! A list or tuple is ready: it is checked as a whole, and goes out in few pieces
//! that the host need not send at once. Anything else is iterated, and every block
//! goes to the client before the next one is asked for.

use super::Wsgi;
use super::start_response::{Adapter, SendError, not_bytes};
use crate::python::blocks::{Blocks, NotBytes};
use crate::python::class::Object;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Up to this many bytes a ready body is copied and sent together with the end of the response.
const COPIED_AT_MOST: usize = 64 * 1024;

/// Sends what the application returned.
///
/// # Errors
/// See [`SendError`].
pub(crate) fn send(wsgi: &Wsgi, adapter: &Object<'_, Adapter>, result: &Bound<'_, PyAny>) -> Result<(), SendError> {
    if let Some(blocks) = Blocks::of(result) {
        return send_ready(adapter, &blocks);
    }
    let nothing_sent = adapter.count().is_none_or(|count| count.given() == 0);
    if nothing_sent && let Some(file) = wsgi.file_wrapper.file_of(result)? {
        return adapter.send_file(file);
    }
    for block in result.try_iter()? {
        send_block(adapter, &block?)?;
    }
    Ok(adapter.process_head()?)
}

fn send_ready(adapter: &Object<'_, Adapter>, blocks: &Blocks<'_, '_>) -> Result<(), SendError> {
    // The common case is not copied on its way.
    if let Some(block) = blocks.only() {
        return send_only(adapter, bytes_of(&block)?);
    }
    let total = blocks.total().map_err(|odd| odd_block(blocks, odd))?;
    if total > COPIED_AT_MOST {
        return send_pieces(adapter, blocks);
    }
    let mut body = Vec::with_capacity(total);
    let gathered = blocks.gather(0, &mut body, COPIED_AT_MOST).map_err(|odd| odd_block(blocks, odd))?;
    Ok(adapter.keep(gathered.blocks, &body)?)
}

fn send_only(adapter: &Object<'_, Adapter>, block: &Bound<'_, PyBytes>) -> Result<(), SendError> {
    let data = block.as_bytes();
    if data.len() <= COPIED_AT_MOST {
        return Ok(adapter.keep(u64::from(!data.is_empty()), data)?);
    }
    adapter.process_head()?;
    adapter.pass_on(adapter.admit(1, data))
}

/// Sends a ready body that is not copied as a whole: small blocks together, large ones as they are. Its last piece goes out
/// with the end of the response. Nothing asks the host to hurry: the application has no more to give.
fn send_pieces(adapter: &Object<'_, Adapter>, blocks: &Blocks<'_, '_>) -> Result<(), SendError> {
    adapter.process_head()?;
    let mut piece = Vec::with_capacity(COPIED_AT_MOST);
    let mut next = 0;
    loop {
        piece.clear();
        let gathered = blocks.gather(next, &mut piece, COPIED_AT_MOST).map_err(|odd| odd_block(blocks, odd))?;
        next = gathered.next;
        let data = adapter.admit(gathered.blocks, &piece);
        let Some(block) = blocks.item(next) else {
            adapter.keep_admitted(data);
            return Ok(());
        };
        adapter.pass_on(data)?;
        let block = bytes_of(&block)?.as_bytes();
        if block.len() > COPIED_AT_MOST {
            adapter.pass_on(adapter.admit(1, block))?;
            next += 1;
        }
    }
}

/// Why a list or tuple cannot be sent.
fn odd_block(blocks: &Blocks<'_, '_>, NotBytes(index): NotBytes) -> SendError {
    let block = blocks.item(index);
    let error = block.map_or_else(
        || PyRuntimeError::new_err("the response was changed while it was being sent"),
        |block| not_bytes("each block of the response", &block),
    );
    error.into()
}

/// Sends one block; an empty one does not even fix the head.
fn send_block(adapter: &Object<'_, Adapter>, block: &Bound<'_, PyAny>) -> Result<(), SendError> {
    let block = bytes_of(block)?;
    if block.as_bytes().is_empty() { Ok(()) } else { adapter.send(block) }
}

fn bytes_of<'a, 'py>(block: &'a Bound<'py, PyAny>) -> Result<&'a Bound<'py, PyBytes>, SendError> {
    Ok(block.cast::<PyBytes>().map_err(|_| not_bytes("each block of the response", block))?)
}
