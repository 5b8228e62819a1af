//! Failures: one enum for each operation, made of a few kinds that mean the same everywhere.

use apiverse_contract::two_factor::MfaMethod;
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

    /// What finishes a sign-in whose password was right.
    fn mfa(&self) -> Option<MfaRequired> {
        None
    }

    /// The whole as a problem document, without the request's id.
    fn problem(&self) -> Problem {
        let mut problem = Problem::new(self.code(), self.detail()).with_errors(self.fields());
        if let Some(wanted) = self.mfa() {
            let methods = wanted.methods.iter();
            problem.methods = methods.map(|method| method.as_str().to_owned()).collect();
            problem.mfa_token = Some(wanted.token);
        }
        problem
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
    /// A limit was to hold in the place of the organization's.
    MayNotReplace Forbidden "only owners and admins may let a limit hold in the place of the organization's (`replaces_organization`), change such a limit, or what it holds for";
    EmailTaken EmailTaken "an account with this e-mail address exists; sign in instead";
    /// Unknown address or wrong password: callers cannot tell which.
    WrongCredentials InvalidCredentials "the e-mail address or the password is wrong";
    CodeWrong InvalidCode "the code is wrong, or was used before";
    TwoFactorOn TwoFactorOn "there is a second factor; switch it off before you set another one up";
    TwoFactorOff TwoFactorOff "there is no second factor; set one up first";
    /// An unknown passkey, a wrong answer, one that came too late or a second time.
    PasskeyWrong InvalidCredentials "this passkey is not known here, or its answer came too late; try again";
    PasskeyGone PasskeyNotFound "there is no passkey of yours with this id";
    PasskeysOff InvalidRequest "passkeys need a name people reach this installation by, not an IP address: set `APIVERSE_PUBLIC_URL`";
    SmsOff InvalidRequest "text messages are not set up on this installation";
    AccessTokenGone AccessTokenNotFound "there is no access token of yours with this id";
    ServiceAccountGone ServiceAccountNotFound "there is no service account with this id in your organization";
    ServiceAccountNameInUse ServiceAccountNameTaken "another service account of the organization has this name";
    TokenInvalid InvalidToken "the access token is malformed, expired or was revoked";
    RefreshInvalid InvalidRefreshToken "the refresh token is unknown, expired or was used before";
    OwnersOnly Forbidden "only owners make owners, change one, or take one out";
    InvitationForOther Forbidden "the invitation is to another e-mail address than yours; sign in with that one";
    OrganizationGone OrganizationNotFound "you are in no organization with this id";
    OrganizationSlugInUse SlugTaken "another organization has this slug";
    MemberGone MemberNotFound "nobody with this id is in your organization";
    InvitationGone InvitationNotFound "there is no open invitation with this id in your organization";
    LinkInvalid InvalidLink "the link is unknown, was used, or is too old; ask for another one";
    /// Somebody else would be left without an owner.
    LastOwner LastOwner "you are the only owner of an organization that others are in; make somebody else an owner first";
    SessionGone SessionNotFound "there is no such session of yours";
    ApiGone ApiNotFound "there is no API with this id in your organization";
    SlugInUse SlugTaken "another API of the organization has this slug";
    RouteGone RouteNotFound "there is no route with this id in this API of your organization";
    RouteNameInUse RouteNameTaken "another route of the API has this name";
    PolicyGone PolicyNotFound "no policy of this kind is attached there";
    PriceRuleGone PriceRuleNotFound "there is no price rule with this id in your organization";
    BudgetGone BudgetNotFound "there is no budget with this id in your organization";
    TooMany InvalidRequest "there are 200 of these already; delete one first";
    AlertRuleGone AlertRuleNotFound "there is no alert rule with this id in your organization";
    SilenceGone SilenceNotFound "there is no silence with this id in your organization";
    SavedViewGone SavedViewNotFound "there is no saved view with this id that you see";
    SavedViewNameInUse SavedViewNameTaken "another view of yours has this name";
    NotYourView Forbidden "only whom a view belongs to, owners and admins may change it";
    AlertWebhookGone AlertWebhookNotFound "there is no webhook with this id in your organization";
    SloGone SloNotFound "there is no objective with this id in your organization";
    ReportScheduleGone ReportScheduleNotFound "there is no schedule of reports with this id in your organization";
    ReportGone ReportNotFound "there is no report with this id in your organization";
    /// Its row is there, what it points at is not, or the report store fails.
    ReportStoreAway ServiceUnavailable "the report store does not answer right now; try again";
    FindingGone FindingNotFound "there is no finding with this id in your organization";
    MuteGone MuteNotFound "there is no mute with this id in your organization";
    WritersBusy ServiceUnavailable "others write to the database all the time; try again";
    DemoThere InvalidRequest "there is demo data in this organization already; take it away first";
    NoDemo InvalidRequest "there is no demo data in this organization";
    VersionGone VersionNotFound "there is no version with this id in this API of your organization";
    VersionNameInUse VersionNameTaken "another version of the API has this name";
    CallGone NotFound "no call of your organization with this request id is kept";
    MessageGone NotificationNotFound "there is no message with this id in your outbox";
    NothingThere NotFound "there is nothing at this address";
    SignatureWrong InvalidSignature "the report is not signed by the service it claims to be from, or not at this time";
    KeyGone ApiKeyNotFound "there is no API key with this id in your organization";
    KeyRevoked ApiKeyRevoked "the key was revoked; create another one";
    /// More password checks at a time than this machine can do.
    Busy ServiceUnavailable "too many sign-ins at the same time; try again in a moment";
    /// Each time it was compared, something else was changed before it could be applied.
    KeptChanging ServiceUnavailable "others keep on changing the configuration; try again";
    NoSuchOrganization InvalidRequest "there is no organization with this slug";
    NoSuchUser InvalidRequest "there is no account with this e-mail address";
    UserGone AuthenticationRequired "there is no account behind this request, or it does not exist any more; sign in";
    ProviderUnknown NotFound "there is no service of this name to sign in with";
    ProviderAway ServiceUnavailable "the service you sign in with does not answer right now; try again";
    ProviderRefused Forbidden "the service did not sign you in";
    ProviderUntrusted InvalidRequest "what the service answered is not accepted; the log has the reason";
    SignInStale InvalidRequest "the sign-in took too long, or was begun in another browser; begin again";
    NotVouchedFor Forbidden "it is not confirmed that the e-mail address is yours";
    AccountExists EmailTaken "there is an account with this e-mail address; sign in to it, and link the other sign-in on the page Security";
    AccountOff Forbidden "the account is switched off";
    IdentityTaken IdentityTaken "this sign-in belongs to another account";
    IdentityGone IdentityNotFound "you have no linked sign-in with this id";
    LastWayIn LastWayIn "it is your only way to sign in; set a password first";
    /// Something of ours that cannot happen.
    Broken Internal "the request could not be completed; the log has the reason";
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("the role does not allow it")]
    Role,
    #[error("the token's scopes do not allow it")]
    Scope,
    #[error("the organization requires a second factor")]
    TwoFactor,
    #[error("who it is was not proved lately")]
    StepUp,
}

impl Fault for Forbidden {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Role | Self::Scope => ErrorCode::Forbidden,
            Self::TwoFactor => ErrorCode::TwoFactorRequired,
            Self::StepUp => ErrorCode::StepUpRequired,
        }
    }

    fn detail(&self) -> String {
        let text = match self {
            Self::Role => "ask an owner or admin of the organization for a role that allows this",
            Self::Scope => "the token's scopes do not allow this",
            Self::TwoFactor => "set a second factor up: the organization requires one",
            Self::StepUp => {
                "prove who you are again (`POST /auth/step-up`), then repeat this within ten minutes"
            }
        };
        text.to_owned()
    }
}

/// The password was right; a second factor is wanted.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("a second factor is wanted")]
pub struct MfaRequired {
    /// Goes with the code.
    pub token: String,
    /// How the second factor can be proved.
    pub methods: Vec<MfaMethod>,
}

impl std::fmt::Debug for MfaRequired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MfaRequired").finish_non_exhaustive()
    }
}

impl Fault for MfaRequired {
    fn code(&self) -> ErrorCode {
        ErrorCode::MfaRequired
    }

    fn detail(&self) -> String {
        "the password is right; send `mfa_token` with a code to `POST /auth/mfa`".to_owned()
    }

    fn mfa(&self) -> Option<MfaRequired> {
        Some(self.clone())
    }
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

/// Too many questions about usage are asked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many questions about usage at once")]
pub struct AskedTooMuch;

impl Fault for AskedTooMuch {
    fn code(&self) -> ErrorCode {
        ErrorCode::ServiceUnavailable
    }

    fn detail(&self) -> String {
        "too many questions about usage are asked at once; ask again in a few seconds".to_owned()
    }

    fn retry_after(&self) -> Option<u32> {
        Some(2)
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
            fn mfa(&self) -> Option<$crate::fault::MfaRequired> {
                match self {
                    $(Self::$kind(kind) => kind.mfa(),)*
                    Self::Store(fault) => fault.mfa(),
                }
            }
        }
    };
}
pub(crate) use operation_error;
