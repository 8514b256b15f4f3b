//! The settings of a request: every directive that directories may refine is one
//! line here, with its type and its default.

use super::control_script::ControlScript;
use super::group_name::{self, CallableName, GroupName};
use super::handler_script::HandlerScript;
use super::trusted_proxies::{ProxyHeader, TrustedProxies};
use super::values::HeadToGet;

macro_rules! settings {
    ($p:lifetime $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr;)*) => {
        /// What the sections that a request passed have said; `None` where none of them said anything. The texts live in the
        /// pool that the settings live in.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct DirectorySettings<$p> {
            $($(#[$doc])* pub(crate) $field: Option<$type>,)*
        }

        /// What is in force for a request: nothing is left to decide.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct Settings<$p> {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl<$p> DirectorySettings<$p> {
            /// An inner section over an outer one.
            pub(crate) fn over(&self, outer: &Self) -> Self {
                Self { $($field: self.$field.or(outer.$field),)* }
            }

            /// Whether no directive has set anything.
            pub(crate) fn is_unset(&self) -> bool {
                true $(&& self.$field.is_none())*
            }

            /// Fills in the defaults.
            pub(crate) fn resolve(&self) -> Settings<$p> {
                Settings { $($field: self.$field.unwrap_or($default),)* }
            }
        }
    };
}

settings! {
    'p
    /// `WSGIProcessGroup`
    process_group: GroupName<&'p str> = GroupName::Global;
    /// `WSGIRestrictProcess`; `None` allows all
    restrict_process: Option<&'p [&'p str]> = None;
    /// `WSGIApplicationGroup`
    application_group: GroupName<&'p str> = GroupName::Resource;
    /// `WSGICallableObject`
    callable_object: CallableName<&'p str> = CallableName::Literal(group_name::DEFAULT_CALLABLE);
    /// `WSGIPassAuthorization`
    pass_authorization: bool = false;
    /// `WSGIScriptReloading`
    script_reloading: bool = true;
    /// `WSGIChunkedRequest`
    chunked_request: bool = false;
    /// `WSGIMapHEADToGET`
    map_head_to_get: HeadToGet = HeadToGet::Auto;
    /// `WSGIEnableSendfile`
    enable_sendfile: bool = false;
    /// `WSGITrustedProxyHeaders`
    trusted_proxy_headers: &'p [ProxyHeader] = &[];
    /// `WSGITrustedProxies`
    trusted_proxies: TrustedProxies<'p> = TrustedProxies::Everyone;
    /// `WSGIPassApacheRequest`
    pass_apache_request: bool = false;
    /// `WSGIErrorOverride`
    error_override: bool = false;
    /// `WSGIIgnoreActivity`
    ignore_activity: bool = false;
    /// `WSGITraceContext`
    trace_context: bool = false;
    /// `WSGIHandlerScript`; names add up when sections merge
    handler_scripts: &'p [HandlerScript<'p>] = &[];
    /// `WSGIDispatchScript`
    dispatch_script: Option<ControlScript<'p>> = None;
    /// `WSGIAccessScript`
    access_script: Option<ControlScript<'p>> = None;
    /// `WSGIAuthUserScript`
    auth_user_script: Option<ControlScript<'p>> = None;
    /// `WSGIAuthGroupScript`
    auth_group_script: Option<ControlScript<'p>> = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_section_wins_where_it_says_something() {
        let outer =
            DirectorySettings { pass_authorization: Some(true), chunked_request: Some(true), ..Default::default() };
        let inner = DirectorySettings { pass_authorization: Some(false), ..Default::default() };
        let settings = inner.over(&outer).resolve();
        assert!(!settings.pass_authorization);
        assert!(settings.chunked_request);
    }

    #[test]
    fn defaults_are_those_of_the_specification() {
        let settings = DirectorySettings::default().resolve();
        assert_eq!(settings.application_group, GroupName::Resource);
        assert_eq!(settings.callable_object, CallableName::Literal("application"));
        assert!(!settings.pass_authorization);
        assert!(settings.script_reloading);
        assert!(!settings.chunked_request);
        assert_eq!(settings.map_head_to_get, HeadToGet::Auto);
        assert!(!settings.enable_sendfile);
        assert!(settings.trusted_proxy_headers.is_empty());
        assert_eq!(settings.trusted_proxies, TrustedProxies::Everyone);
        assert!(!settings.pass_apache_request);
        assert!(!settings.error_override);
        assert!(!settings.ignore_activity);
        assert!(settings.handler_scripts.is_empty());
    }

    #[test]
    fn a_list_of_the_inner_section_replaces_the_whole_outer_list() {
        let listed = |headers: &'static [ProxyHeader]| DirectorySettings {
            trusted_proxy_headers: Some(headers),
            ..Default::default()
        };
        let outer = listed(&[ProxyHeader::XForwardedFor, ProxyHeader::XHost]);
        let inner = listed(&[ProxyHeader::XScheme]).over(&outer).resolve();
        assert_eq!(inner.trusted_proxy_headers, [ProxyHeader::XScheme]);
        assert!(listed(&[]).over(&outer).resolve().trusted_proxy_headers.is_empty());
    }

    #[test]
    fn a_section_without_our_directives_is_unset() {
        assert!(DirectorySettings::default().is_unset());
        assert!(!DirectorySettings { enable_sendfile: Some(true), ..Default::default() }.is_unset());
    }
}
