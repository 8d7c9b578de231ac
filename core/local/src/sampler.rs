//! Choosing the next token from the model's scores.

use std::collections::HashMap;

use crate::{kernel::Kernels, vector::exponential};

/// Candidates that are sorted at first, where only the likeliest are wanted; nearly always enough.
const FIRST_CANDIDATES: usize = 64;

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// How far choices stray from the likeliest token. 0: not at all.
    pub temperature: f32,
    /// Only the likeliest tokens whose probabilities add up to this are chosen from. 1: all.
    pub top_p: f32,
    /// Only so many of the likeliest tokens are chosen from. `None`: all.
    pub top_k: Option<usize>,
    /// Equal seeds give equal answers to equal requests. `None`: one that nobody chose.
    pub seed: Option<u64>,
    /// What a token's score loses for each time it is in the answer already.
    pub frequency_penalty: f32,
    /// What a token's score loses for being in the answer already.
    pub presence_penalty: f32,
}

impl Default for Sampling {
    /// OpenAI's: temperature 1, all tokens, no penalty.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: None,
            seed: None,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
        }
    }
}

/// Chooses the tokens of one answer.
#[derive(Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    random: SplitMix64,
    /// How often each token is in the answer; kept only for penalties.
    counts: HashMap<u32, f32>,
    adjusted: Vec<f32>,
    order: Vec<u32>,
}

impl Sampler {
    /// Begins an answer.
    pub(crate) fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            random: SplitMix64(sampling.seed.unwrap_or_else(|| fastrand::u64(..))),
            counts: HashMap::new(),
            adjusted: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Chooses the next token; there is at least one score.
    pub(crate) fn choose(&mut self, kernels: Kernels, scores: &[f32]) -> u32 {
        let token = if self.counts.is_empty() && self.is_greedy() {
            likeliest(scores)
        } else {
            self.adjusted.clear();
            self.adjusted.extend_from_slice(scores);
            for (token, count) in &self.counts {
                if let Some(score) = self.adjusted.get_mut(*token as usize) {
                    *score -=
                        self.sampling.frequency_penalty * count + self.sampling.presence_penalty;
                }
            }
            if self.is_greedy() {
                likeliest(&self.adjusted)
            } else {
                self.draw(kernels)
            }
        };
        if self.sampling.frequency_penalty != 0.0 || self.sampling.presence_penalty != 0.0 {
            *self.counts.entry(token).or_default() += 1.0;
        }
        token
    }

    fn is_greedy(&self) -> bool {
        // Below this the division overflows, and the likeliest token has all probability anyway.
        self.sampling.temperature < 1e-4 || self.sampling.top_k == Some(1)
    }

    /// Draws by the adjusted scores.
    fn draw(&mut self, kernels: Kernels) -> u32 {
        let inverse = 1.0 / self.sampling.temperature;
        let highest = self.adjusted[likeliest(&self.adjusted) as usize];
        let weights = &mut self.adjusted;
        kernels.vectorize(|| {
            for score in weights.iter_mut() {
                *score = exponential((*score - highest) * inverse);
            }
        });
        let total = |weights: &mut dyn Iterator<Item = f32>| weights.map(f64::from).sum::<f64>();
        let share = self.random.fraction();
        if self.sampling.top_p >= 1.0 && self.sampling.top_k.is_none() {
            let target = share * total(&mut weights.iter().copied());
            return pick(weights, 0.., target);
        }
        let most = self
            .sampling
            .top_k
            .unwrap_or(weights.len())
            .clamp(1, weights.len());
        let whole = (most == weights.len()).then(|| total(&mut weights.iter().copied()));
        self.order.clear();
        self.order.extend((0..).take(weights.len()));
        // Likeliest first, of equal ones the first in the vocabulary: the choice must not depend on how sorting works.
        let by_weight = |a: &u32, b: &u32| {
            weights[*b as usize]
                .total_cmp(&weights[*a as usize])
                .then(a.cmp(b))
        };
        let mut candidates = if whole.is_some() {
            FIRST_CANDIDATES
        } else {
            most
        };
        loop {
            candidates = candidates.min(most);
            if candidates < self.order.len() {
                self.order.select_nth_unstable_by(candidates, by_weight);
            }
            let sorted = &mut self.order[..candidates];
            sorted.sort_unstable_by(by_weight);
            let in_order = || sorted.iter().map(|&token| weights[token as usize]);
            let whole = whole.unwrap_or_else(|| total(&mut in_order()));
            let wanted = whole * f64::from(self.sampling.top_p);
            let mut sum = 0.0;
            let kept = in_order().position(|weight| {
                sum += f64::from(weight);
                sum >= wanted
            });
            if let Some(last) = kept {
                return pick(weights, sorted[..=last].iter().copied(), share * sum);
            }
            if candidates == most {
                return pick(weights, sorted.iter().copied(), share * sum);
            }
            candidates *= 8;
        }
    }
}

/// The first of these tokens with which the weights' sum exceeds `target`, else the last.
fn pick(weights: &[f32], tokens: impl IntoIterator<Item = u32>, target: f64) -> u32 {
    let mut sum = 0.0;
    let mut last = 0;
    for token in tokens {
        let Some(weight) = weights.get(token as usize) else {
            break;
        };
        last = token;
        sum += f64::from(*weight);
        if sum > target {
            break;
        }
    }
    last
}

/// The token with the highest score, the first of equal ones.
fn likeliest(scores: &[f32]) -> u32 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (chunks, rest) = scores.as_chunks::<8>();
    for chunk in chunks {
        for (lane, score) in lanes.iter_mut().zip(chunk) {
            *lane = if *score > *lane { *score } else { *lane };
        }
    }
    let highest = lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    (0..)
        .zip(scores)
        .find(|(_, score)| **score == highest)
        .map_or(0, |(token, _)| token)
}

/// Sebastiano Vigna's splitmix64: the same numbers for a seed on every machine, in every version of ours.
#[derive(Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f32; 5] = [0.0, 3.0, 2.0, 3.0, -1.0];

    fn kernels() -> Kernels {
        Kernels::all().remove(0)
    }

    fn sampling(temperature: f32) -> Sampling {
        Sampling {
            temperature,
            seed: Some(7),
            ..Sampling::default()
        }
    }

    /// How often each token is chosen in so many answers' first choices.
    fn frequencies(sampling: Sampling, scores: &[f32], draws: u64) -> Vec<f64> {
        let mut counts = vec![0.0; scores.len()];
        for seed in 0..draws {
            let mut sampler = Sampler::new(Sampling {
                seed: Some(seed),
                ..sampling
            });
            counts[sampler.choose(kernels(), scores) as usize] += 1.0 / draws as f64;
        }
        counts
    }

    #[test]
    fn without_temperature_the_first_of_the_likeliest_is_chosen() {
        assert_eq!(Sampler::new(sampling(0.0)).choose(kernels(), &SCORES), 1);
        let mut long = vec![-5.0; 1003];
        long[1002] = 4.0;
        assert_eq!(Sampler::new(sampling(0.0)).choose(kernels(), &long), 1002);
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_likely() {
        let weights = SCORES.map(|score| f64::from(score / 2.0).exp());
        let sum: f64 = weights.iter().sum();
        for (drawn, weight) in frequencies(sampling(2.0), &SCORES, 20_000)
            .iter()
            .zip(weights)
        {
            assert!(
                (drawn - weight / sum).abs() < 0.01,
                "{drawn} {}",
                weight / sum
            );
        }
    }

    #[test]
    fn only_the_likeliest_that_add_up_to_top_p_are_drawn() {
        let drawn = frequencies(
            Sampling {
                top_p: 0.7,
                ..sampling(1.0)
            },
            &SCORES,
            1000,
        );
        assert!((drawn[1] - 0.5).abs() < 0.05 && drawn[0] == 0.0 && drawn[2] == 0.0);
        let flat = [0.0; 1000];
        let drawn = frequencies(
            Sampling {
                top_p: 0.5,
                ..sampling(1.0)
            },
            &flat,
            5000,
        );
        assert_eq!(drawn.iter().rposition(|&share| share > 0.0), Some(499));
    }

    #[test]
    fn only_the_top_k_are_drawn() {
        let drawn = frequencies(
            Sampling {
                top_k: Some(2),
                ..sampling(1.0)
            },
            &SCORES,
            1000,
        );
        assert!((drawn[1] - 0.5).abs() < 0.05 && (drawn[3] - 0.5).abs() < 0.05);
    }

    #[test]
    fn penalties_count_what_was_chosen() {
        let mut sampler = Sampler::new(Sampling {
            frequency_penalty: 0.75,
            presence_penalty: 0.5,
            ..sampling(0.0)
        });
        let chosen: Vec<u32> = (0..6).map(|_| sampler.choose(kernels(), &SCORES)).collect();
        assert_eq!(chosen, [1, 3, 2, 1, 3, 1]);
    }

    #[test]
    fn equal_seeds_draw_equal_tokens_and_others_don_t() {
        let scores = [0.0; 1000];
        let draw = |seed| {
            let mut sampler = Sampler::new(Sampling {
                seed: Some(seed),
                ..sampling(1.0)
            });
            (0..20)
                .map(|_| sampler.choose(kernels(), &scores))
                .collect::<Vec<u32>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn scores_that_are_no_numbers_end_in_some_token() {
        let scores = [f32::NAN, f32::NAN, f32::INFINITY];
        for sampling in [
            sampling(0.0),
            sampling(1.0),
            Sampling {
                top_p: 0.5,
                ..sampling(1.0)
            },
        ] {
            assert!(Sampler::new(sampling).choose(kernels(), &scores) < 3);
        }
    }

    #[test]
    fn the_random_numbers_are_vigna_s() {
        let mut random = SplitMix64(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }
}
