// Before the first paint, and so a file of its own: the theme that was chosen earlier, if one was.
try {
  const theme = localStorage.getItem('troelsllm.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's theme is right.
}
