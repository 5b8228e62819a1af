//! Checking that nobody tampered with the audit log.

use apiverse_contract::OrganizationId;
use apiverse_store::{StoreError, audit_link};

use crate::actor::Actor;
use crate::audit_retention::PRUNED;
use crate::fault::{OrganizationGone, operation_error};
use crate::permissions::Permission;
use crate::platform::Platform;

/// How one chain of the audit log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// Slug of the organization; `None`: the lines that belong to none.
    pub organization: Option<String>,
    /// Lines that were checked.
    pub lines: i64,
    /// Lines before them that are not kept any more.
    pub forgotten: i64,
    /// Lines from before there were chains, which nothing protects.
    pub unchained: i64,
    /// The hash of the last line, in hex. Whoever keeps it elsewhere can tell later that nothing up
    /// to it was changed, whoever changed the whole chain.
    pub head: String,
    /// What does not fit, and where.
    pub fault: Option<ChainFault>,
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// The line with this place is missing.
    Missing(i64),
    /// The line with this place does not say what it said, or was put there later.
    Changed(i64),
    /// The chain should go on: lines at its end are missing, or its end was changed.
    End(i64),
    /// The chain begins behind this place, and no line of it says that those before were forgotten.
    Anchor(i64),
}

impl std::fmt::Display for ChainFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(seq) => write!(f, "line {seq} is missing"),
            Self::Changed(seq) => write!(f, "line {seq} was changed"),
            Self::End(seq) => write!(f, "the log does not end at line {seq}, where it should"),
            Self::Anchor(seq) => {
                write!(
                    f,
                    "the lines up to {seq} are gone, and the log does not say why"
                )
            }
        }
    }
}

/// Lines read at once.
const PAGE: u32 = 1000;

operation_error! {
    /// Why the chain of an organization was not checked.
    ChainCheckError { Forbidden, OrganizationGone }
}

impl Platform {
    /// Checks every chain of the audit log, or the one of the organization with a slug.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_verify(&self, slug: Option<&str>) -> Result<Vec<ChainReport>, StoreError> {
        let mut reports = Vec::new();
        if let Some(slug) = slug {
            if let Some(found) = self.store().organization_by_slug(slug).await? {
                reports.push(self.verify_chain(Some((found.id, found.slug))).await?);
            }
            return Ok(reports);
        }
        reports.push(self.verify_chain(None).await?);
        let mut after = None;
        loop {
            let page = self.store().organization_list(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for organization in page {
                let of = Some((organization.id, organization.slug));
                reports.push(self.verify_chain(of).await?);
            }
        }
        Ok(reports)
    }

    /// Checks the chain of the actor's organization.
    ///
    /// # Errors
    /// See [`ChainCheckError`].
    pub async fn audit_check(&self, actor: &Actor) -> Result<ChainReport, ChainCheckError> {
        let id = actor.require(Permission::AuditRead)?.organization_id();
        let found = self.store().organization_get(id).await?;
        let organization = found.ok_or(OrganizationGone)?;
        Ok(self.verify_chain(Some((id, organization.slug))).await?)
    }

    /// A chain whose beginning is forgotten while it is read is read again.
    async fn verify_chain(
        &self,
        of: Option<(OrganizationId, String)>,
    ) -> Result<ChainReport, StoreError> {
        let id = of.as_ref().map(|(id, _)| *id);
        let slug = of.map(|(_, slug)| slug);
        loop {
            let anchor = self.store().audit_anchor(id).await?;
            let report = self.verify_from(id, slug.clone(), anchor.clone()).await?;
            if report.fault.is_none() || self.store().audit_anchor(id).await? == anchor {
                return Ok(report);
            }
        }
    }

    async fn verify_from(
        &self,
        id: Option<OrganizationId>,
        slug: Option<String>,
        anchor: Option<(i64, Vec<u8>)>,
    ) -> Result<ChainReport, StoreError> {
        let (begin, mut before) = anchor.unwrap_or_default();
        let mut is_said = begin == 0;
        let said = serde_json::json!({ "up_to": begin, "hash": hex(&before) });
        // Read first: lines that come meanwhile are beyond it.
        let head = self.store().audit_head(id).await?.unwrap_or_default();
        let mut report = ChainReport {
            organization: slug,
            lines: 0,
            forgotten: begin,
            unchained: self.store().audit_unchained(id).await?,
            head: String::new(),
            fault: None,
        };
        let mut last = begin;
        'lines: loop {
            let page = self.store().audit_chain(id, last, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            for line in page {
                if line.seq > head.0 {
                    break 'lines;
                }
                let expected = last + 1;
                if line.seq != expected {
                    report.fault = Some(ChainFault::Missing(expected));
                    break 'lines;
                }
                if line.hash != audit_link(&before, line.seq, &line.row) {
                    report.fault = Some(ChainFault::Changed(line.seq));
                    break 'lines;
                }
                is_said |= line.row.action == PRUNED && line.row.details == said;
                last = line.seq;
                before = line.hash;
            }
            if is_last {
                break;
            }
        }
        report.lines = last - begin;
        if report.fault.is_none() && (last, &before) != (head.0, &head.1) {
            report.fault = Some(ChainFault::End(head.0));
        }
        if report.fault.is_none() && !is_said {
            report.fault = Some(ChainFault::Anchor(begin));
        }
        report.head = hex(&before);
        Ok(report)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
