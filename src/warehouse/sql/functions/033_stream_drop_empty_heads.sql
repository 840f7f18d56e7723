create or replace procedure stream.drop_empty_heads(p_outdated stream.line[])
language plpgsql set enable_seqscan = off as $$
begin
  delete from shop.invoice as head
  where head.invoice_no in (select old.invoice_no from unnest(p_outdated) as old)
    and not exists (select from shop.invoice_line as line
                    where line.invoice_no = head.invoice_no and line.part = head.part);
end
$$;
comment on procedure stream.drop_empty_heads(stream.line[]) is
  'A head whose lines have all been replaced under another one is no part of its invoice any more.';
