//! Scripts that are loaded when a process starts: `WSGIImportScript`, and aliases
//! that name both of their groups.

use super::alias::ScriptAlias;
use super::group_name::GroupName;
use super::values::group_literal;
use crate::apache::directive::Arguments;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// One script to load beforehand. Empty groups are the embedded processes and the main interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportScript {
    pub(crate) path: String,
    pub(crate) process_group: String,
    pub(crate) application_group: String,
    /// Whether `WSGIImportScript` names it, rather than an alias: then httpd's own processes run Python for it.
    pub(crate) is_asked_for: bool,
    /// Grows from declaration to declaration, in whatever server they stand.
    pub(crate) order: u64,
}

/// Counts declarations. It goes on over restarts, because only the order matters.
static DECLARATIONS: AtomicU64 = AtomicU64::new(0);

impl ImportScript {
    /// `WSGIImportScript path process-group=NAME application-group=NAME`.
    ///
    /// # Errors
    /// An option that is unknown or missing.
    pub(crate) fn parse(arguments: &Arguments<'_>) -> Result<Self, String> {
        let (mut process_group, mut application_group) = (None, None);
        for word in &arguments.words()[1..] {
            let (name, value) = word.split_once('=').ok_or_else(|| unexpected(word))?;
            if value.is_empty() {
                return Err(format!("'{word}' has no value; expected {name}=NAME"));
            }
            match name {
                "process-group" => process_group = Some(group_literal(value).to_owned()),
                "application-group" => application_group = Some(group_literal(value).to_owned()),
                _ => return Err(unexpected(word)),
            }
        }
        let missing = |name: &str| {
            format!("'{}' has no {name}=; expected process-group= and application-group=", arguments.first())
        };
        Ok(Self {
            path: arguments.first().to_owned(),
            process_group: process_group.ok_or_else(|| missing("process-group"))?,
            application_group: application_group.ok_or_else(|| missing("application-group"))?,
            is_asked_for: true,
            order: DECLARATIONS.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The script of an alias that names both groups plainly.
    pub(crate) fn of_alias(alias: &ScriptAlias) -> Option<Self> {
        let plain = |name: &Option<GroupName<Arc<str>>>| match name {
            Some(GroupName::Global) => Some(String::new()),
            Some(GroupName::Literal(name)) if !name.contains("%{") => Some((**name).to_owned()),
            _ => None,
        };
        let path = alias.fixed_target()?.to_owned();
        let process_group = plain(&alias.options.process_group)?;
        let application_group = plain(&alias.options.application_group)?;
        let order = DECLARATIONS.fetch_add(1, Ordering::Relaxed);
        Some(Self { path, process_group, application_group, is_asked_for: false, order })
    }
}

fn unexpected(word: &str) -> String {
    format!("'{word}' is not an option; expected process-group= or application-group=")
}
