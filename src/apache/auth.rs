//! Providers of authentication and authorisation, as mod_auth_basic, mod_auth_digest and `Require` ask for them.

use super::{boundary::guard, bytes, pool::Pool, request::Request};
use crate::ffi;
use core::ffi::{CStr, c_char, c_void};

/// What a provider of passwords says (`authn_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    Denied,
    Granted,
    UserNotFound,
    Error,
}

/// What a provider for `Require` says (`authz_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorisation {
    Denied,
    Granted,
    /// The client is to say first who it is.
    NoUser,
}

/// Checks what users know. The answer is for one request.
pub(crate) trait PasswordProvider {
    /// For basic authentication.
    fn check_password(request: &mut Request<'_>, user: &[u8], password: &[u8]) -> Authentication;
    /// For digest authentication: the hash of `user:realm:password` in hexadecimal, or why there is none.
    ///
    /// # Errors
    /// Anything but `Granted`.
    fn realm_hash(request: &mut Request<'_>, user: &[u8], realm: &[u8]) -> Result<Vec<u8>, Authentication>;
}

/// Checks who users are.
pub(crate) trait RequireProvider {
    /// `line` is what stands behind the name of the provider.
    fn check(request: &mut Request<'_>, line: &[u8]) -> Authorisation;
}

/// A record that httpd keeps a pointer to.
#[repr(transparent)]
pub(crate) struct PasswordRecord(ffi::authn_provider);

/// A record that httpd keeps a pointer to.
#[repr(transparent)]
pub(crate) struct RequireRecord(ffi::authz_provider);

impl PasswordRecord {
    pub(crate) const fn of<P: PasswordProvider>() -> Self {
        Self(ffi::authn_provider {
            check_password: Some(check_password::<P>),
            get_realm_hash: Some(get_realm_hash::<P>),
        })
    }
}

impl RequireRecord {
    pub(crate) const fn of<P: RequireProvider>() -> Self {
        Self(ffi::authz_provider { check_authorization: Some(check_authorization::<P>), parse_require_line: None })
    }
}

/// Registers a provider for `AuthBasicProvider` and `AuthDigestProvider`. `pool` is that of the configuration.
pub(crate) fn provide_passwords(pool: Pool<'_>, name: &'static CStr, record: &'static PasswordRecord) {
    let record = core::ptr::from_ref(record).cast::<c_void>();
    register(pool, ffi::AUTHN_PROVIDER_GROUP, name, ffi::AUTHN_PROVIDER_VERSION, record);
}

/// Registers a provider for `Require`. `pool` is that of the configuration.
pub(crate) fn provide_requirement(pool: Pool<'_>, name: &'static CStr, record: &'static RequireRecord) {
    let record = core::ptr::from_ref(record).cast::<c_void>();
    register(pool, ffi::AUTHZ_PROVIDER_GROUP, name, ffi::AUTHZ_PROVIDER_VERSION, record);
}

/// `group` and `version` are C strings, as bindgen shows string constants.
fn register(pool: Pool<'_>, group: &'static [u8], name: &CStr, version: &'static [u8], record: *const c_void) {
    let once_per_configuration = ffi::AP_AUTH_INTERNAL_PER_CONF as core::ffi::c_int;
    // SAFETY: POOL; names and record are static. It fails for a version that is not "0" alone.
    unsafe {
        ffi::ap_register_auth_provider(
            pool.as_raw(),
            group.as_ptr().cast(),
            name.as_ptr(),
            version.as_ptr().cast(),
            record,
            once_per_configuration,
        )
    };
}

unsafe extern "C" fn check_password<P: PasswordProvider>(
    raw: *mut ffi::request_rec,
    user: *const c_char,
    password: *const c_char,
) -> ffi::authn_status {
    guard(ffi::AUTH_GENERAL_ERROR, || {
        // SAFETY: REQUEST: httpd lends the request to this thread until the provider returns.
        let mut request = unsafe { Request::from_raw(raw) };
        // SAFETY: REQUEST: a C string of the request.
        let user = unsafe { bytes(user) }.unwrap_or_default();
        // SAFETY: REQUEST: a C string of the request.
        let password = unsafe { bytes(password) }.unwrap_or_default();
        match P::check_password(&mut request, user, password) {
            Authentication::Granted => ffi::AUTH_GRANTED,
            refused => refusal(refused),
        }
    })
}

unsafe extern "C" fn get_realm_hash<P: PasswordProvider>(
    raw: *mut ffi::request_rec,
    user: *const c_char,
    realm: *const c_char,
    hash: *mut *mut c_char,
) -> ffi::authn_status {
    guard(ffi::AUTH_GENERAL_ERROR, || {
        // SAFETY: REQUEST: httpd lends the request to this thread until the provider returns.
        let mut request = unsafe { Request::from_raw(raw) };
        // SAFETY: REQUEST: a C string of the request.
        let user = unsafe { bytes(user) }.unwrap_or_default();
        // SAFETY: REQUEST: a C string of the request.
        let realm = unsafe { bytes(realm) }.unwrap_or_default();
        match P::realm_hash(&mut request, user, realm) {
            Ok(found) => {
                let found = request.pool().c_string(&found);
                // SAFETY: REQUEST: httpd passes the place for the hash, which lives as long as the request.
                unsafe { *hash = found.cast_mut() };
                ffi::AUTH_USER_FOUND
            }
            Err(refused) => refusal(refused),
        }
    })
}

fn refusal(refused: Authentication) -> ffi::authn_status {
    match refused {
        Authentication::Denied => ffi::AUTH_DENIED,
        Authentication::UserNotFound => ffi::AUTH_USER_NOT_FOUND,
        Authentication::Granted | Authentication::Error => ffi::AUTH_GENERAL_ERROR,
    }
}

unsafe extern "C" fn check_authorization<P: RequireProvider>(
    raw: *mut ffi::request_rec,
    line: *const c_char,
    _parsed: *const c_void,
) -> ffi::authz_status {
    guard(ffi::AUTHZ_DENIED, || {
        // SAFETY: REQUEST: httpd lends the request to this thread until the provider returns.
        let mut request = unsafe { Request::from_raw(raw) };
        // SAFETY: REQUEST: a C string of the configuration.
        let line = unsafe { bytes(line) };
        match P::check(&mut request, line.unwrap_or_default()) {
            Authorisation::Denied => ffi::AUTHZ_DENIED,
            Authorisation::Granted => ffi::AUTHZ_GRANTED,
            Authorisation::NoUser => ffi::AUTHZ_DENIED_NO_USER,
        }
    })
}
