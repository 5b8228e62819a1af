//! Who may do what: one table, and a permit that only the table gives.

use apiverse_contract::OrganizationId;
use apiverse_contract::auth::Role;

use chrono::{DateTime, Utc};

use crate::actor::{Actor, Grant, Via};
use crate::fault::Forbidden;

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// What concerns the organization as a whole.
    OrganizationRead,
    OrganizationWrite,
    /// Deleting it and handing it over.
    OrganizationDelete,
    MembersRead,
    /// Inviting, roles, taking somebody out.
    MembersWrite,
    ApisRead,
    ApisWrite,
    KeysRead,
    KeysWrite,
    /// Asking whether a key may do something, which counts against its limits.
    KeysVerify,
    UsageRead,
    /// Taking note of what was unusual, and not being told of it.
    UsageWrite,
    /// Prices and budgets.
    CostsWrite,
    AuditRead,
    /// Messages to people, and the addresses nothing is sent to.
    OutboxRead,
    OutboxWrite,
    /// One's own access tokens.
    TokensRead,
    TokensWrite,
    /// Service accounts and their tokens.
    ServiceAccountsWrite,
}

impl Permission {
    pub const ALL: [Self; 19] = [
        Self::OrganizationRead,
        Self::OrganizationWrite,
        Self::OrganizationDelete,
        Self::MembersRead,
        Self::MembersWrite,
        Self::ApisRead,
        Self::ApisWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::KeysVerify,
        Self::UsageRead,
        Self::UsageWrite,
        Self::CostsWrite,
        Self::AuditRead,
        Self::OutboxRead,
        Self::OutboxWrite,
        Self::TokensRead,
        Self::TokensWrite,
        Self::ServiceAccountsWrite,
    ];

    /// Its name, as it is written down, and what an access token is given it by.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::OrganizationRead => "organization:read",
            Self::OrganizationWrite => "organization:write",
            Self::OrganizationDelete => "organization:delete",
            Self::MembersRead => "members:read",
            Self::MembersWrite => "members:write",
            Self::ApisRead => "apis:read",
            Self::ApisWrite => "apis:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::KeysVerify => "keys:verify",
            Self::UsageRead => "usage:read",
            Self::UsageWrite => "usage:write",
            Self::CostsWrite => "costs:write",
            Self::AuditRead => "audit:read",
            Self::OutboxRead => "outbox:read",
            Self::OutboxWrite => "outbox:write",
            Self::TokensRead => "tokens:read",
            Self::TokensWrite => "tokens:write",
            Self::ServiceAccountsWrite => "service_accounts:write",
        }
    }

    /// The permission of a scope.
    #[must_use]
    pub fn of_scope(scope: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.scope() == scope)
    }

    /// The roles that have it.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        use Role::{Admin, Billing, Developer, Owner, Viewer};
        match self {
            Self::ApisRead | Self::KeysRead => &[Owner, Admin, Developer, Viewer],
            Self::ApisWrite | Self::KeysWrite | Self::KeysVerify | Self::UsageWrite => {
                &[Owner, Admin, Developer]
            }
            Self::CostsWrite => &[Owner, Admin, Billing],
            Self::OrganizationDelete => &[Owner],
            Self::OrganizationRead
            | Self::MembersRead
            | Self::TokensRead
            | Self::TokensWrite
            | Self::UsageRead => &[Owner, Admin, Developer, Billing, Viewer],
            Self::OrganizationWrite
            | Self::ServiceAccountsWrite
            | Self::MembersWrite
            | Self::AuditRead
            | Self::OutboxRead
            | Self::OutboxWrite => &[Owner, Admin],
        }
    }
}

/// Proof that an actor may do something in an organization. The store is only asked with the
/// organization of a permit.
#[derive(Clone, Copy, Debug)]
pub struct Permit {
    organization_id: OrganizationId,
}

impl Permit {
    #[must_use]
    pub const fn organization_id(self) -> OrganizationId {
        self.organization_id
    }
}

impl Actor {
    /// # Errors
    /// When the actor's role does not have the permission, their token's scopes do not name it, or
    /// the organization wants a second factor they do not have.
    pub fn require(&self, permission: Permission) -> Result<Permit, Forbidden> {
        if !permission.roles().contains(&self.role) {
            return Err(Forbidden::Role);
        }
        let within = |grant: &Grant| grant.scopes.contains(&permission);
        if !self.grant.as_ref().is_none_or(within) {
            return Err(Forbidden::Scope);
        }
        if self.needs_two_factor {
            return Err(Forbidden::TwoFactor);
        }
        Ok(Permit {
            organization_id: self.organization_id,
        })
    }

    /// What a token of this actor may be for.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        Permission::ALL
            .into_iter()
            .filter(|permission| self.require(*permission).is_ok())
            .map(|permission| permission.scope().to_owned())
            .collect()
    }

    /// Lets nobody do something dangerous who did not prove lately that they are themselves. A
    /// token proves nothing about a person.
    ///
    /// # Errors
    /// When the proof is missing or too old.
    pub(crate) fn require_recent(&self, now: DateTime<Utc>) -> Result<(), Forbidden> {
        let is_recent = match self.via {
            Via::UnifiedKey | Via::System => true,
            Via::AccessToken(_) => false,
            Via::Browser(_) | Via::Token(_) | Via::External => self
                .authenticated_at
                .is_some_and(|at| now - at <= crate::two_factor::RECENT),
        };
        if is_recent {
            Ok(())
        } else {
            Err(Forbidden::StepUp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table people read; whoever changes one changes the other.
    const WRITTEN: &str = include_str!("../../../docs/permissions.md");

    #[test]
    fn the_table_is_as_written() {
        let mut table =
            String::from("| permission | owner | admin | developer | billing | viewer |\n");
        table.push_str("| --- | :-: | :-: | :-: | :-: | :-: |\n");
        for permission in Permission::ALL {
            table.push_str(&format!("| `{}` |", permission.scope()));
            for role in Role::ALL {
                let mark = if permission.roles().contains(&role) {
                    "✓"
                } else {
                    ""
                };
                table.push_str(&format!(" {mark} |"));
            }
            table.push('\n');
        }
        assert!(
            WRITTEN.contains(&table),
            "docs/permissions.md should have:\n{table}"
        );
    }
}
