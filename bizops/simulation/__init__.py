"""A simulated B2B company over two years, of which it is known what caused each conversion.

What it assumes
---------------
1. An account of a segment is a prospect from its account event on. As a prospect it makes a first
   deal (``new``) at the rate

       λ(t) = φ · (μ[segment] · f(month) + Σ over its touches j < t of β[campaign] · κ(t − t_j))

   and as a customer, from the first deal to churn, expansions at

       λ(t) = φ · (ν[segment] · f(month) + Σ over the same touches of ½ · β[campaign] · κ(t − t_j)).

2. κ is one exponential decay a channel, with half-lives from 3 days (paid search) to 30 (events).
   It integrates to one, so that β is the first deals a touch adds in expectation.
3. Effects are very unequal: 8 of 24 campaigns add nothing, β of the others goes from 0.0005 to 0.3.
   Touches neither wear out nor work together: the tenth adds as much as the first.
4. Each term of λ is drawn by itself, so each conversion has exactly one cause: a touch, or none
   (organic). Nearly half of all are caused.
5. Accounts differ in activity, log-normally with σ = 0.9, and larger ones get more touches. It
   drives touches only, so that within a segment their number says nothing about what would have
   come anyway; unless ``propensity`` makes φ = activity ** propensity (scaled to mean one).
6. Nurture mails follow other touches of people who are known, and retargeting follows web visits.
   They add next to nothing but are often the last touch: rules of position credit them. Searches
   for the company's own name add nothing either; ``hidden_intent`` makes them come before organic
   deals, so that they seem to work. 0 unless told.
7. Customers get half the touches of prospects, those who left a tenth. First deals depend on no
   touch that depends on them.
8. Webinars and events are known to the day, as are 40 % of conversions and all renewals, churn and
   contractions. Their real moment counts for what they cause.
9. IACV is log-normal by segment and independent of the cause; an expansion is about a quarter of
   the account's ARR. At the end of a term a customer renews (IACV 0), contracts, or leaves with all
   its ARR. All is in USD.
10. Opportunities say nothing about causes: their stages fill a sales cycle before the deal. Some
    more fail, at the same rate for all prospects.
11. Web touches of people who are not known yet carry a cookie only; a form links the cookie to an
    e-mail address, the CRM both to a lead and an account, at once or some hours later. A quarter of
    people change their device. Every touch of an account's people can be resolved in the end;
    strangers (9 % more web touches) never can, and they cause nothing.
12. A campaign's spend is in proportion to its touches, spread unevenly over its days: booked daily
    where a platform sells it, on Mondays elsewhere.

The truth counts, by campaign, both what was caused really and what was to be expected; they differ
by Poisson noise. ``effect_scale=0`` is a company where nothing works.

Measured on the default world, seeds 7 to 9: 104,000 to 108,000 events in 4 to 6 s, 1,863 to 1,916
conversions. Σ|estimate − truth| / Σ truth by channel, scaled to the true total, lookback 90 days:
first touch 0.55 to 0.63, time decay 0.77 to 0.79, linear 0.82 to 0.84, last touch 0.96 to 1.01;
maximum likelihood of the model above, its half-lives unknown, 0.07 to 0.08.
"""

from bizops.simulation.malformed import malformed_messages
from bizops.simulation.truth import CampaignTruth, ChannelTruth, Organic, Truth
from bizops.simulation.world import World, simulate

__all__ = [
    "CampaignTruth",
    "ChannelTruth",
    "Organic",
    "Truth",
    "World",
    "malformed_messages",
    "simulate",
]
