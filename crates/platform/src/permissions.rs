//! Who may do what: one table, and a permit that only the table gives.

use apiverse_contract::OrganizationId;
use apiverse_contract::auth::Role;

use crate::actor::Actor;
use crate::fault::Forbidden;

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// What concerns the organization as a whole.
    OrganizationRead,
    OrganizationWrite,
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
}

impl Permission {
    pub const ALL: [Self; 11] = [
        Self::OrganizationRead,
        Self::OrganizationWrite,
        Self::ApisRead,
        Self::ApisWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::KeysVerify,
        Self::UsageRead,
        Self::UsageWrite,
        Self::CostsWrite,
        Self::AuditRead,
    ];

    /// The roles that have it.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        use Role::{Admin, Billing, Developer, Owner, Viewer};
        match self {
            Self::ApisRead | Self::KeysRead => &[Owner, Admin, Developer, Viewer],
            Self::ApisWrite | Self::KeysWrite | Self::KeysVerify | Self::UsageWrite => {
                &[Owner, Admin, Developer]
            }
            Self::OrganizationRead | Self::UsageRead => &[Owner, Admin, Developer, Billing, Viewer],
            Self::CostsWrite => &[Owner, Admin, Billing],
            Self::OrganizationWrite | Self::AuditRead => &[Owner, Admin],
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
    /// When the actor's role does not have the permission.
    pub fn require(&self, permission: Permission) -> Result<Permit, Forbidden> {
        if permission.roles().contains(&self.role) {
            Ok(Permit {
                organization_id: self.organization_id,
            })
        } else {
            Err(Forbidden)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_written() {
        let mut table = String::new();
        for permission in Permission::ALL {
            table.push_str(&format!("{permission:?}:"));
            for role in Role::ALL {
                let mark = if permission.roles().contains(&role) {
                    "x"
                } else {
                    "-"
                };
                table.push_str(&format!(" {}{mark}", role.as_str()));
            }
            table.push('\n');
        }
        assert_eq!(
            table,
            "OrganizationRead: ownerx adminx developerx billingx viewerx\n\
             OrganizationWrite: ownerx adminx developer- billing- viewer-\n\
             ApisRead: ownerx adminx developerx billing- viewerx\n\
             ApisWrite: ownerx adminx developerx billing- viewer-\n\
             KeysRead: ownerx adminx developerx billing- viewerx\n\
             KeysWrite: ownerx adminx developerx billing- viewer-\n\
             KeysVerify: ownerx adminx developerx billing- viewer-\n\
             UsageRead: ownerx adminx developerx billingx viewerx\n\
             UsageWrite: ownerx adminx developerx billing- viewer-\n\
             CostsWrite: ownerx adminx developer- billingx viewer-\n\
             AuditRead: ownerx adminx developer- billing- viewer-\n"
        );
    }
}
