-- What a language model says it read and wrote for a call; NULL: nothing was counted.
ALTER TABLE usage_metrics ADD COLUMN tokens_in INTEGER;
ALTER TABLE usage_metrics ADD COLUMN tokens_out INTEGER;
