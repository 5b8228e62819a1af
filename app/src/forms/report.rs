//! The forms of reports and their schedules.

use apiverse_contract::patch::Patch;
use apiverse_contract::reports::{
    CreateReport, CreateReportSchedule, ReportPeriod, UpdateReportSchedule,
};
use apiverse_contract::{FieldError, UserId};
use chrono::NaiveDate;

use super::Fields;

/// Reads the form of a schedule; the platform says what of it is not acceptable.
///
/// # Errors
/// What cannot be read.
pub fn read_schedule(fields: &Fields) -> Result<CreateReportSchedule, Vec<FieldError>> {
    let hour = fields.number("hour").map_err(|error| vec![error])?;
    Ok(CreateReportSchedule {
        name: fields.text("name"),
        period: ReportPeriod::parse(fields.raw("period")).unwrap_or(ReportPeriod::Week),
        api_id: fields.text("api_id").parse().ok(),
        recipients: recipients(fields),
        time_zone: fields
            .optional("time_zone")
            .unwrap_or_else(|| "UTC".to_owned()),
        hour: hour.unwrap_or(8),
        enabled: fields.flag("enabled"),
    })
}

/// All of a schedule, as a change of one.
#[must_use]
pub fn change(schedule: CreateReportSchedule) -> UpdateReportSchedule {
    UpdateReportSchedule {
        name: Some(schedule.name),
        period: Some(schedule.period),
        api_id: schedule.api_id.map_or(Patch::Null, Patch::Value),
        recipients: Some(schedule.recipients),
        time_zone: Some(schedule.time_zone),
        hour: Some(schedule.hour),
        enabled: Some(schedule.enabled),
    }
}

/// Only whether reports are made.
#[must_use]
pub fn switch(enabled: bool) -> UpdateReportSchedule {
    UpdateReportSchedule {
        enabled: Some(enabled),
        ..UpdateReportSchedule::default()
    }
}

fn recipients(fields: &Fields) -> Vec<UserId> {
    let ids = fields.all("recipients");
    ids.filter_map(|id| id.parse().ok()).collect()
}

/// Reads the form of a report that is made at once. People name the last day, not the one after.
///
/// # Errors
/// What cannot be read.
pub fn read_report(fields: &Fields) -> Result<CreateReport, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut day = |name: &'static str| {
        let day = fields.text(name).parse::<NaiveDate>().ok();
        if day.is_none() {
            errors.push(FieldError::new(name, "must be a day, as 2026-01-31"));
        }
        day
    };
    let (from, last) = (day("from"), day("to"));
    match (from, last.and_then(|last| last.succ_opt())) {
        (Some(from), Some(to)) => Ok(CreateReport {
            name: fields.optional("name"),
            from,
            to,
            time_zone: fields
                .optional("time_zone")
                .unwrap_or_else(|| "UTC".to_owned()),
            api_id: fields.text("api_id").parse().ok(),
            recipients: recipients(fields),
        }),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let pairs = pairs.iter();
        Fields(
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn the_last_day_is_part_of_a_report() {
        let report = read_report(&fields(&[("from", "2026-01-31"), ("to", "2026-01-31")]));
        let report = report.expect("reads");
        assert_eq!(report.to.to_string(), "2026-02-01");
        assert_eq!(report.validate(), Ok(()));
        let errors = read_report(&fields(&[("from", "soon")])).expect_err("is refused");
        let named: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(named, ["from", "to"]);
    }

    #[test]
    fn a_schedule_is_read_as_it_is_typed() {
        let id = "01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21";
        let typed = [
            ("name", " Weekly "),
            ("period", "month"),
            ("recipients", id),
            ("hour", "6"),
            ("enabled", "true"),
        ];
        let schedule = read_schedule(&fields(&typed)).expect("reads");
        assert_eq!(schedule.period, ReportPeriod::Month);
        assert_eq!((schedule.hour, schedule.enabled), (6, true));
        assert_eq!(schedule.recipients.len(), 1);
        assert_eq!(change(schedule.clone()).apply(schedule.clone()), schedule);
        assert!(read_schedule(&fields(&[("hour", "early")])).is_err());
    }
}
