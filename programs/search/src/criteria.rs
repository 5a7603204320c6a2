//! What is looked for: a query, and what else a line has to be.

use crate::filter::Filter;
use crate::instant::Instant;
use crate::message::Role;
use crate::query::Query;

/// See the module.
#[derive(Debug)]
pub struct Criteria {
    pub(crate) query: Query,
    pub(crate) filter: Option<Filter>,
    pub(crate) reading_only: bool,
    pub(crate) numbered: bool,
    /// Lines of this role alone.
    pub role: Option<Role>,
    /// Lines of the session whose id begins so.
    pub session: Option<String>,
    /// Lines not written before.
    pub after: Option<Instant>,
    /// Lines not written later.
    pub before: Option<Instant>,
}

impl Criteria {
    /// Every line that `query` matches.
    #[must_use]
    pub fn new(query: Query) -> Self {
        let filter = Filter::of(&query);
        Criteria {
            query,
            filter,
            reading_only: false,
            numbered: false,
            role: None,
            session: None,
            after: None,
            before: None,
        }
    }

    /// Has lines found by `memchr` alone: what a program without a filter of its own would do.
    #[must_use]
    pub fn filtered_plainly(mut self) -> Self {
        self.filter = self.filter.map(Filter::plainly);
        self
    }

    /// Has files read and nothing searched, to tell the one from the other.
    #[must_use]
    pub fn reading_only(mut self) -> Self {
        self.reading_only = true;
        self
    }

    /// Has lines numbered while files are searched, by all threads: worth it where every match is shown, as what is not shown needs
    /// no number.
    #[must_use]
    pub fn numbered(mut self) -> Self {
        self.numbered = true;
        self
    }

    /// The query.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    pub(crate) fn is_in_time(&self, time: Instant) -> bool {
        self.after.is_none_or(|after| time >= after) && self.before.is_none_or(|before| time <= before)
    }
}
