-- Three accounts whose every figure is worked out by hand in the tests.
insert into stream.identifiers (id, kind, value, rank, parent_id) values
    ('00000000-0000-0000-0000-000000000001', 'lead_id', 'L1', 3, null),
    ('00000000-0000-0000-0000-000000000002', 'lead_id', 'L2', 3, null),
    ('00000000-0000-0000-0000-000000000009', 'anonymous_id', 'D9', 1, null),
    ('00000000-0000-0000-0000-000000000011', 'anonymous_id', 'D1', 1,
        '00000000-0000-0000-0000-000000000001');
insert into stream.account_links (identifier_id, account_id, strength, first_at) values
    ('00000000-0000-0000-0000-000000000001', 'acme', 2, '2026-01-01Z'),
    ('00000000-0000-0000-0000-000000000002', 'bolt', 2, '2026-01-10Z');
insert into stream.accounts (
    event_id, source, received_at, content_hash, occurred_at, day_only, account_id, name
) values
    ('a1', 'test', '2026-01-01Z', '', '2026-01-01Z', false, 'acme', 'Acme before'),
    ('a2', 'test', '2026-01-01Z', '', '2026-01-02Z', false, 'acme', 'Acme'),
    ('a3', 'test', '2026-01-01Z', '', '2026-01-01Z', false, 'bolt', 'Bolt');
insert into stream.campaigns (
    event_id, source, received_at, content_hash, occurred_at, day_only, campaign_id, name
) values
    ('c1', 'test', '2026-01-01Z', '', '2026-01-01Z', false, 'welcome', 'Welcome mails');

-- t2 is an anonymous visit of the person who is lead L1; nobody knows who t5 was
insert into stream.touches (
    event_id, source, received_at, content_hash, occurred_at, day_only, channel, campaign_id,
    account_id, lead_id, anonymous_id, identifier_id, properties
) values
    ('t1', 'test', '2026-01-01Z', '', '2026-01-01Z', false, 'email', 'welcome', 'acme', 'L1', null,
        '00000000-0000-0000-0000-000000000001', '{}'),
    ('t2', 'test', '2026-01-06Z', '', '2026-01-06Z', false, 'ads', 'spring', null, null, 'D1',
        '00000000-0000-0000-0000-000000000011', '{}'),
    ('t3', 'test', '2026-01-10Z', '', '2026-01-10Z', false, 'ads', '(none)', 'bolt', 'L2', null,
        '00000000-0000-0000-0000-000000000002', '{}'),
    ('t4', 'test', '2026-02-01Z', '', '2026-02-01Z', false, 'email', 'welcome', 'bolt', 'L2', null,
        '00000000-0000-0000-0000-000000000002', '{}'),
    ('t5', 'test', '2026-02-02Z', '', '2026-02-02Z', false, 'web', '(none)', null, null, 'D9',
        '00000000-0000-0000-0000-000000000009', '{}');
insert into stream.opportunities (
    event_id, source, received_at, content_hash, occurred_at, day_only, opportunity_id,
    account_id, stage
) values ('o1', 'test', '2026-01-08Z', '', '2026-01-08Z', false, 'O1', 'acme', 'demo');

-- 1,150 in all: 1,700 of conversions, and 550 lost
insert into stream.revenue (
    event_id, source, received_at, content_hash, occurred_at, day_only, account_id, kind, iacv,
    currency, term_months, properties
) values
    ('r1', 'test', '2026-01-11Z', '', '2026-01-11Z', false, 'acme', 'new', 1000, 'USD', 1, '{}'),
    ('r2', 'test', '2026-02-11Z', '', '2026-02-11Z', false, 'bolt', 'new', 500, 'USD', 1, '{}'),
    ('r3', 'test', '2026-03-01Z', '', '2026-03-01Z', true, 'acme', 'expansion', 200, 'USD', null, '{}'),
    ('r4', 'test', '2026-08-11Z', '', '2026-08-11Z', false, 'bolt', 'churn', -500, 'USD', null, '{}'),
    ('r5', 'test', '2026-01-11Z', '', '2026-01-11Z', false, 'coda', 'renewal', 0, 'USD', 1, '{}'),
    ('r6', 'test', '2026-02-15Z', '', '2026-02-15Z', false, 'coda', 'contraction', -50, 'USD',
        null, '{}');
insert into stream.spend (
    event_id, source, received_at, content_hash, kafka_offset, date, campaign_id, channel, amount,
    currency
) values
    ('s1', 'test', '2026-01-05Z', '', 1, '2026-01-05', 'welcome', 'email', 100, 'USD'),
    ('s2', 'test', '2026-01-15Z', '', 2, '2026-01-15', 'spring', 'ads', 300, 'USD'),
    ('s3', 'test', '2026-02-15Z', '', 3, '2026-02-15', 'spring', 'ads', 100, 'USD');
