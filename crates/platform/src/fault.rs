//! Failures: one enum for each operation, made of a few kinds that mean the same everywhere.

use apiverse_contract::{ErrorCode, FieldError, Problem};
use apiverse_store::StoreError;

/// What a failure tells callers. Its `Display` and sources are for the log.
pub trait Fault: std::error::Error + Send + Sync {
    /// The stable code, which decides the HTTP status.
    fn code(&self) -> ErrorCode;

    /// A sentence for the caller; never with a secret or an inner reason.
    fn detail(&self) -> String;

    /// What is wrong with which field.
    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Seconds after which trying again makes sense.
    fn retry_after(&self) -> Option<u32> {
        None
    }

    /// The whole as a problem document, without the request's id.
    fn problem(&self) -> Problem {
        Problem::new(self.code(), self.detail()).with_errors(self.fields())
    }
}

/// Kinds of failure without further content.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $code:ident $detail:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[error($detail)]
        pub struct $name;

        impl Fault for $name {
            fn code(&self) -> ErrorCode {
                ErrorCode::$code
            }
            fn detail(&self) -> String {
                $detail.to_owned()
            }
        }
    )*};
}

kinds! {
    /// The role does not allow it.
    Forbidden Forbidden "ask an owner or admin of the organization for a role that allows this";
    /// A limit was to hold in the place of the organization's.
    MayNotReplace Forbidden "only owners and admins may let a limit hold in the place of the organization's (`replaces_organization`), change such a limit, or what it holds for";
    EmailTaken EmailTaken "an account with this e-mail address exists; sign in instead";
    /// Unknown address or wrong password: callers cannot tell which.
    WrongCredentials InvalidCredentials "the e-mail address or the password is wrong";
    TokenInvalid InvalidToken "the access token is malformed, expired or was revoked";
    RefreshInvalid InvalidRefreshToken "the refresh token is unknown, expired or was used before";
    SessionGone SessionNotFound "there is no such session of yours";
    ApiGone ApiNotFound "there is no API with this id in your organization";
    SlugInUse SlugTaken "another API of the organization has this slug";
    RouteGone RouteNotFound "there is no route with this id in this API of your organization";
    RouteNameInUse RouteNameTaken "another route of the API has this name";
    PolicyGone PolicyNotFound "no policy of this kind is attached there";
    PriceRuleGone PriceRuleNotFound "there is no price rule with this id in your organization";
    BudgetGone BudgetNotFound "there is no budget with this id in your organization";
    TooMany InvalidRequest "there are 200 of these already; delete one first";
    FindingGone FindingNotFound "there is no finding with this id in your organization";
    MuteGone MuteNotFound "there is no mute with this id in your organization";
    WritersBusy ServiceUnavailable "others write to the database all the time; try again";
    DemoThere InvalidRequest "there is demo data in this organization already; take it away first";
    NoDemo InvalidRequest "there is no demo data in this organization";
    VersionGone VersionNotFound "there is no version with this id in this API of your organization";
    VersionNameInUse VersionNameTaken "another version of the API has this name";
    CallGone NotFound "no call of your organization with this request id is kept";
    KeyGone ApiKeyNotFound "there is no API key with this id in your organization";
    KeyRevoked ApiKeyRevoked "the key was revoked; create another one";
    /// More password checks at a time than this machine can do.
    Busy ServiceUnavailable "too many sign-ins at the same time; try again in a moment";
    /// Each time it was compared, something else was changed before it could be applied.
    KeptChanging ServiceUnavailable "others keep on changing the configuration; try again";
    NoSuchOrganization InvalidRequest "there is no organization with this slug";
    NoSuchUser InvalidRequest "there is no account with this e-mail address";
    UserGone AuthenticationRequired "the account of this session does not exist any more";
    /// Something of ours that cannot happen.
    Broken Internal "the request could not be completed; the log has the reason";
}

/// Fields that are not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} field(s) are not acceptable", .0.len())]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    pub(crate) fn one(field: &str, message: impl Into<String>) -> Self {
        Self(vec![FieldError::new(field, message)])
    }
}

impl Fault for Invalid {
    fn code(&self) -> ErrorCode {
        ErrorCode::ValidationFailed
    }

    fn detail(&self) -> String {
        match self.0.as_slice() {
            [one] => format!("{} {}", one.field, one.message),
            many => format!("{} fields are not acceptable", many.len()),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        self.0.clone()
    }
}

/// Somebody else changed it meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has version {now} now")]
pub struct ChangedMeanwhile {
    /// The version it has now; 0: it does not exist.
    pub now: u32,
}

impl Fault for ChangedMeanwhile {
    fn code(&self) -> ErrorCode {
        ErrorCode::PreconditionFailed
    }

    fn detail(&self) -> String {
        match self.now {
            0 => "it does not exist; read it again".to_owned(),
            now => format!("it has version {now} now; read it again"),
        }
    }
}

/// Too many attempts from one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts, retry after {retry_after} s")]
pub struct SlowDown {
    /// Seconds.
    pub retry_after: u32,
}

impl Fault for SlowDown {
    fn code(&self) -> ErrorCode {
        ErrorCode::TooManyAttempts
    }

    fn detail(&self) -> String {
        format!("wait {} seconds before the next attempt", self.retry_after)
    }

    fn retry_after(&self) -> Option<u32> {
        Some(self.retry_after)
    }
}

/// The database failed; what it said stays in the log.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreFault(#[from] pub StoreError);

impl Fault for StoreFault {
    fn code(&self) -> ErrorCode {
        if self.0.is_transient() {
            ErrorCode::ServiceUnavailable
        } else {
            ErrorCode::Internal
        }
    }

    fn detail(&self) -> String {
        if self.0.is_transient() {
            "the database does not answer right now; try again".to_owned()
        } else {
            "the request could not be completed; the log has the reason".to_owned()
        }
    }

    fn retry_after(&self) -> Option<u32> {
        self.0.is_transient().then_some(1)
    }
}

/// Something that an operation is made of failed; it says what.
#[derive(Debug)]
pub struct DemoPart(pub Box<dyn Fault>);

impl std::fmt::Display for DemoPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for DemoPart {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Fault for DemoPart {
    fn code(&self) -> ErrorCode {
        self.0.code()
    }

    fn detail(&self) -> String {
        self.0.detail()
    }

    fn fields(&self) -> Vec<FieldError> {
        self.0.fields()
    }

    fn retry_after(&self) -> Option<u32> {
        self.0.retry_after()
    }
}

/// Declares the error enum of an operation. Each variant is named for the kind it holds; the
/// database can fail in all of them.
macro_rules! operation_error {
    ($(#[$doc:meta])* $name:ident { $($kind:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, thiserror::Error)]
        pub enum $name {
            $(#[error(transparent)] $kind(#[from] $crate::fault::$kind),)*
            #[error(transparent)]
            Store(#[from] $crate::fault::StoreFault),
        }

        impl From<apiverse_store::StoreError> for $name {
            fn from(error: apiverse_store::StoreError) -> Self {
                Self::Store($crate::fault::StoreFault(error))
            }
        }

        impl $crate::fault::Fault for $name {
            fn code(&self) -> apiverse_contract::ErrorCode {
                match self {
                    $(Self::$kind(kind) => kind.code(),)*
                    Self::Store(fault) => fault.code(),
                }
            }
            fn detail(&self) -> String {
                match self {
                    $(Self::$kind(kind) => kind.detail(),)*
                    Self::Store(fault) => fault.detail(),
                }
            }
            fn fields(&self) -> Vec<apiverse_contract::FieldError> {
                match self {
                    $(Self::$kind(kind) => kind.fields(),)*
                    Self::Store(fault) => fault.fields(),
                }
            }
            fn retry_after(&self) -> Option<u32> {
                match self {
                    $(Self::$kind(kind) => kind.retry_after(),)*
                    Self::Store(fault) => fault.retry_after(),
                }
            }
        }
    };
}
pub(crate) use operation_error;
