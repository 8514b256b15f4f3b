//! One call of an application, attached to its interpreter: the script is found or
//! loaded, and its callable is given to `wsgi/application`. The same in httpd's
//! children and in daemons: what differs stands behind the gateway.

use crate::events::Serving;
use crate::events::running::ThreadPlace;
use crate::python::Attached;
use crate::python::script::{Announce, Applications, Event, Known, LoadError, Script};
use crate::request::fault::Fault;
use crate::wsgi::Wsgi;
use crate::wsgi::application::{self, Kept};
use crate::wsgi::gateway::{Exchange, Outcome};
use core::cell::{OnceCell, RefCell};
use pyo3::PyErr;
use std::rc::Rc;
use std::sync::Arc;

/// What a thread keeps from one request of an interpreter to the next.
struct KeptForRequests {
    applications: Applications,
    wsgi: OnceCell<Kept>,
    place: Arc<ThreadPlace>,
}

impl KeptForRequests {
    /// Made when there is memory for it: a thread that had none at its first request has some later.
    fn wsgi(&self, attached: &Attached<'_>, wsgi: &Wsgi) -> Result<&Kept, Fault> {
        if let Some(kept) = self.wsgi.get() {
            return Ok(kept);
        }
        let made = Kept::new(attached.py, wsgi, attached.interpreter.name());
        let made = made.map_err(|error| Fault::Objects(error.to_string()))?;
        Ok(self.wsgi.get_or_init(|| made))
    }
}

/// What the interpreter serves with.
///
/// # Errors
/// Its set-up failed.
pub(crate) fn wsgi(attached: &Attached<'_>) -> Result<&'static Wsgi, Fault> {
    serving(attached).map(|serving| &serving.wsgi)
}

fn serving(attached: &Attached<'_>) -> Result<&'static Serving, Fault> {
    attached.interpreter.belongings().ok_or_else(|| Fault::Objects("the interpreter is not set up".into()))
}

fn belongings<'a>(attached: &'a Attached<'_>) -> Result<(&'static Wsgi, &'a KeptForRequests), Fault> {
    let serving = serving(attached)?;
    let kept = attached.kept(|| KeptForRequests {
        applications: Applications::default(),
        wsgi: OnceCell::new(),
        place: ThreadPlace::new(attached.py, serving),
    });
    Ok((&serving.wsgi, kept))
}

/// The function that a script has under the name of its callable, loaded or reloaded if need be.
///
/// # Errors
/// The script did not load, or has no such function.
pub(crate) fn function(
    attached: &Attached<'_>,
    script: &Script<'_>,
    announce: Announce<'_>,
) -> Result<Rc<Known>, Fault> {
    let (_, kept) = belongings(attached)?;
    let found = kept.applications.find(attached, script, announce);
    found.map_err(|error| Fault::of_load(attached.py, &error, script.callable))
}

/// Calls the application of `script` for the request behind `exchange`, which hears of what happens to the script after
/// `watch`.
///
/// # Errors
/// The application was not called: its script did not load, or the objects of the request cannot be made.
pub(crate) fn call(
    attached: &Attached<'_>,
    script: &Script<'_>,
    watch: &dyn Fn(&Event<'_>),
    exchange: &mut (dyn Exchange + '_),
) -> Result<Outcome, Fault> {
    let py = attached.py;
    let (wsgi, kept) = belongings(attached)?;
    let kept_wsgi = kept.wsgi(attached, wsgi)?;
    // From here on the script may ask which request it is loaded for.
    let running = kept.place.begin(py, exchange.facts().request_id());
    let timed_out = |raised: &PyErr| wsgi.is_request_timeout(py, raised);
    let told = RefCell::new(&mut *exchange);
    let announce = |event: Event<'_>| {
        watch(&event);
        told.borrow_mut().log().announce(attached.interpreter.name(), &event);
    };
    let known = kept.applications.find(attached, script, &announce).map_err(|error| {
        if matches!(error, LoadError::Changed) {
            running.withdraw();
        }
        let timed_out = error.exception().is_some_and(timed_out);
        if timed_out { Fault::TimedOut } else { Fault::of_load(py, &error, script.callable) }
    })?;
    application::run(attached, wsgi, kept_wsgi, &running.watched(), known.application(py), exchange)
        .map_err(|error| if timed_out(&error) { Fault::TimedOut } else { Fault::Objects(error.to_string()) })
}
