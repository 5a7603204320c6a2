//! A row of the table: one engine at one case, over all rounds.

use super::answer::Answer;
use super::list::Case;
use super::stats::Spread;

/// One cell of one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) round: usize,
    pub(super) value: f64,
    /// CPU time of the process for an operation.
    pub(super) cpu_ns: f64,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) case: String,
    pub(super) unit: String,
    pub(super) engine: String,
    pub(super) workers: u64,
    pub(super) samples: Vec<Sample>,
    /// The engine cannot run the case.
    pub(super) cannot: bool,
    /// Why there are no more samples.
    pub(super) error: Option<String>,
    pub(super) goal: Option<Goal>,
}

/// What one of ours should reach.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Goal {
    /// The engine that `at_most` is a multiple of; none for the figure as it is.
    pub(super) base: Option<String>,
    pub(super) at_most: f64,
}

impl Row {
    /// Nothing measured yet.
    pub(super) fn new(case: &Case, engine: &str) -> Self {
        let at_most = case.goals.get(engine).copied().flatten();
        Row {
            case: case.name.clone(),
            unit: case.unit.clone(),
            engine: engine.into(),
            workers: 0,
            samples: Vec::new(),
            cannot: false,
            error: None,
            goal: at_most.map(|at_most| Goal { base: case.base.clone(), at_most }),
        }
    }

    /// Takes down what the cell of `round` said.
    pub(super) fn note(&mut self, round: usize, answer: Answer) {
        match answer {
            Answer::Figure { value, cpu_ns, workers } => {
                self.samples.push(Sample { round, value, cpu_ns });
                self.workers = workers;
            }
            Answer::CannotRun => self.cannot = true,
            Answer::Failed(why) => self.error = Some(why),
        }
    }

    /// The figures.
    pub(super) fn figures(&self) -> Option<Spread> {
        Spread::of(self.samples.iter().map(|s| s.value))
    }

    /// CPU time for an operation, in nanoseconds.
    pub(super) fn cpu(&self) -> Option<Spread> {
        Spread::of(self.samples.iter().map(|s| s.cpu_ns))
    }

    /// `of` each sample over that of `base` in the same round; rounds that only one of them has are left out.
    pub(super) fn ratio(&self, base: &Row, of: fn(&Sample) -> f64) -> Option<Spread> {
        let in_round = |round| base.samples.iter().find(|s| s.round == round).map(of);
        let pairs = self.samples.iter().filter_map(|s| Some((of(s), in_round(s.round)?)));
        Spread::of(pairs.filter(|(_, base)| *base > 0.0).map(|(ours, base)| ours / base))
    }

    /// What the goal is held against: the ratio to its base, or the figure. `all` are the rows of the case.
    pub(super) fn reached(&self, all: &[Row]) -> Option<f64> {
        let spread = match &self.goal.as_ref()?.base {
            None => self.figures(),
            Some(base) => self.ratio(find(all, &self.case, base)?, |s| s.value),
        };
        Some(spread?.median)
    }

    /// Whether the goal was met, where there is one and something to hold it against.
    pub(super) fn met(&self, all: &[Row]) -> Option<bool> {
        let goal = self.goal.as_ref()?;
        Some(self.reached(all)? <= goal.at_most)
    }
}

/// The row of `engine` at `case`.
pub(super) fn find<'a>(rows: &'a [Row], case: &str, engine: &str) -> Option<&'a Row> {
    rows.iter().find(|r| r.case == case && r.engine == engine)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row with these figures in rounds 0, 1, 2 and so on; CPU time is ten times the figure.
    pub(crate) fn row(engine: &str, values: &[f64], goal: Option<Goal>) -> Row {
        let samples = values.iter().enumerate();
        let samples = samples.map(|(round, v)| Sample { round, value: *v, cpu_ns: v * 10.0 }).collect();
        Row {
            case: "spin".into(),
            unit: "ns".into(),
            engine: engine.into(),
            workers: 2,
            samples,
            cannot: false,
            error: None,
            goal,
        }
    }

    fn goal(base: Option<&str>, at_most: f64) -> Option<Goal> {
        Some(Goal { base: base.map(String::from), at_most })
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine was four times slower in the second round: the ratio does not show it.
        let (ours, base) = (row("ouzel", &[1.0, 4.0, 1.5], None), row("tokio-mt", &[2.0, 8.0, 2.0], None));
        let ratio = ours.ratio(&base, |s| s.value).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (0.5, 0.5, 0.75));
        assert_eq!(ours.ratio(&base, |s| s.cpu_ns).unwrap().median, 0.5);
    }

    #[test]
    fn a_round_without_a_partner_is_left_out() {
        let (mut ours, base) = (row("ouzel", &[1.0, 9.0], None), row("tokio-mt", &[2.0], None));
        assert_eq!(ours.ratio(&base, |s| s.value).unwrap().max, 0.5);
        ours.samples.remove(0);
        assert_eq!(ours.ratio(&base, |s| s.value), None);
    }

    #[test]
    fn goals_are_held_against_the_ratio_or_the_figure() {
        let base = row("tokio-mt", &[10.0, 10.0, 10.0], None);
        let check = |g| {
            let all = [row("ouzel", &[3.0, 4.0, 5.0], g), base.clone()];
            (all[0].reached(&all), all[0].met(&all))
        };
        assert_eq!(check(goal(Some("tokio-mt"), 0.4)), (Some(0.4), Some(true)));
        assert_eq!(check(goal(Some("tokio-mt"), 0.39)), (Some(0.4), Some(false)));
        assert_eq!(check(goal(Some("tokio-ct"), 0.4)), (None, None));
        assert_eq!(check(goal(None, 3.9)), (Some(4.0), Some(false)));
        assert_eq!(check(None), (None, None));
    }
}
