//! The result of an application on its way to the client (PEP 3333, "Buffering
//! and Streaming").
//!
//! A list or tuple is ready: it is checked as a whole, and goes out in few pieces
//! that the host need not send at once. Anything else is iterated, and every block
//! goes to the client before the next one is asked for.

use super::Wsgi;
use super::start_response::{Adapter, SendError, not_bytes};
use crate::python::class::Object;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// Up to this many bytes a ready body is copied and sent together with the end of the response.
const COPIED_AT_MOST: usize = 64 * 1024;

/// Sends what the application returned.
///
/// # Errors
/// See [`SendError`].
pub(crate) fn send(wsgi: &Wsgi, adapter: &Object<'_, Adapter>, result: &Bound<'_, PyAny>) -> Result<(), SendError> {
    if let Ok(list) = result.cast_exact::<PyList>() {
        // A list of one block is the common case, and needs no snapshot.
        if let (1, Ok(block)) = (list.len(), list.get_item(0)) {
            return send_ready(adapter, &[block]);
        }
        let blocks: Vec<_> = list.iter().collect();
        return send_ready(adapter, &blocks);
    }
    if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        let blocks: Vec<_> = tuple.iter().collect();
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

fn send_ready(adapter: &Object<'_, Adapter>, blocks: &[Bound<'_, PyAny>]) -> Result<(), SendError> {
    let mut total = 0;
    for block in blocks {
        total += bytes_of(block)?.as_bytes().len();
    }
    if total > COPIED_AT_MOST {
        return send_pieces(adapter, blocks);
    }
    for block in blocks {
        adapter.keep(bytes_of(block)?.as_bytes())?;
    }
    Ok(adapter.process_head()?)
}

/// Sends a ready body that is not copied as a whole: small blocks together, large ones as they are. Its last piece goes out
/// with the end of the response. Nothing asks the host to hurry: the application has no more to give.
fn send_pieces(adapter: &Object<'_, Adapter>, blocks: &[Bound<'_, PyAny>]) -> Result<(), SendError> {
    adapter.process_head()?;
    let mut piece = Vec::new();
    for block in blocks {
        let data = adapter.admit(bytes_of(block)?.as_bytes());
        if piece.len() + data.len() > COPIED_AT_MOST {
            adapter.pass_on(&piece)?;
            piece.clear();
        }
        if data.len() > COPIED_AT_MOST {
            adapter.pass_on(data)?;
        } else {
            piece.extend_from_slice(data);
        }
    }
    adapter.keep_admitted(&piece);
    Ok(())
}

/// Sends one block; an empty one does not even fix the head.
fn send_block(adapter: &Object<'_, Adapter>, block: &Bound<'_, PyAny>) -> Result<(), SendError> {
    let block = bytes_of(block)?;
    if block.as_bytes().is_empty() { Ok(()) } else { adapter.send(block) }
}

fn bytes_of<'a, 'py>(block: &'a Bound<'py, PyAny>) -> Result<&'a Bound<'py, PyBytes>, SendError> {
    Ok(block.cast::<PyBytes>().map_err(|_| not_bytes("each block of the response", block))?)
}
