/* A number as people type it, in a quiz or a guess; NaN: it is none. */
window.swNumber ||= (text) => {
  // Three digits behind a comma or a space are thousands, unless a zero leads; any other comma is a point.
  const plain = text.replace("\u2212", "-").replace(/(?<![\d.,])[1-9]\d{0,2}(?:[,\s]\d{3})+(?![\d,])/g, (found) => found.replace(/[,\s]/g, "")).replaceAll(",", ".");
  // Decimals, fractions, odds such as "1 in 15" or "1:15", per cent; words behind are left alone.
  const [, top, bottom, percent] = /^\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*(?:(?:\/|:|in\b)\s*([\d.]+))?\s*(%|per ?cent)?[a-z\s]*$/i.exec(plain) || [];
  const value = Number(top) / (bottom ? Number(bottom) : 1) / (percent ? 100 : 1);
  return Number.isFinite(value) ? value : NaN;
};
/* What was read where both readings make sense; "" if there is one only. */
window.swRead ||= (text) => (/^\s*[+-]?[1-9]\d{0,2},\d{3}(?![\d,.])/.test(text.replace("\u2212", "-")) ? `The comma was read as one between thousands; for a decimal write ${text.trim().replace(",", ".")}.` : "");
